// Where a program can be made to die for a test: right after each store that another process can
// see. Only a test defines SLUICE_FAILPOINTS, and `reached_failpoint` with it.
#pragma once

namespace sluice::detail {

enum class Failpoint {
  kType,           // of the record
  kZeroAhead,      // behind the record
  kWrappedRecord,  // the commit word of a record that padding leads to
  kPadding,        // the padding's type
  kLaterCommit,    // the commit word of a record behind one that is held back
  kPublished,
  kTail,
  kProducerMessages,
  kHead,
  kConsumerMessages,
  kUnparked,  // the peer's `parked` word was taken back; its doorbell has not rung
  kSuccessorTail,
  kRingNamed,   // the name is there, without bytes
  kRingMarked,  // the first bytes
  kRingFilled,  // all bytes, and the mode
  kRingMade,    // the version
};

#if defined(SLUICE_FAILPOINTS)
void reached_failpoint(Failpoint failpoint);
#else
constexpr void reached_failpoint(Failpoint) {}
#endif

}  // namespace sluice::detail
