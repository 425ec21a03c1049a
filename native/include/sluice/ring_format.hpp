// The ring's memory format, version 2.0: every offset and constant of it, and its protocol.
// docs/ring-format.md is the same thing told to a reader who writes a peer in another language.
//
//      0  creator, constant   magic "SLUICERG", version, header_size, capacity
//    128  producer's line     tail (a note), messages, state, pid, streams begun, claims
//    256  consumer's line     head (exact), messages, state, pid, streams read to their end, claims
//    384  consumer_parked     1: the consumer sleeps or is about to         | bit 31: fence wanted
//    512  producer_parked     n > 0: the producer sleeps until n bytes are  | bit 31: fence wanted
//                             free
//    640  consumer_doorbell   futex word, incremented to wake the consumer
//    768  producer_doorbell   futex word, incremented to wake the producer
//   4096  data                capacity bytes of records
//
//   record:  | u32 commit | i32 type | payload, zero to seven bytes of any value |    8-aligned
//   commit:  0 while the record is not there, otherwise 0x80000000 | length of the payload
//   padding: a record of type -1 that takes exactly the rest of the data
//
// A position counts bytes modulo 2^32 and is a multiple of 8; `position & (capacity - 1)` is where
// it lies in the data. A record takes 8 + length rounded up to 8, and lies within the data in one
// piece. "The word at p" is the commit word of the place at position p.
//
// The invariant: the word at the producer's published position is 0. So a consumer that has read
// everything looks at a 0, until the next record is there; payload of an earlier lap is never taken
// for a record.
//
// Writing a record at `position`, of a payload of `length` bytes:
//   size = 8 + round_up(length, 8); rest = capacity - (position & mask)
//   padding = size <= rest ? 0 : rest
//   room: capacity - (position - head) >= padding + size + 8, the 8 being the zero ahead;
//         else the ring is full. `head` is loaded (acquire) only when the room that is known of
//         is used up. The longest payload is capacity / 2 - 16.
//   record = position + padding; end = record + size
//   1. the payload, the type                                   plain stores
//   2. the word at `end` = 0: the zero ahead                   relaxed
//   3. with padding: the word at `record` = 0x80000000 | length; the padding's type = -1
//      (relaxed: nobody can come here before the padding is there)
//   4. the word at `position` = 0x80000000 | (padding ? padding - 8 : length)
//      This is the publication: with release, if nothing is held back.
//   position = end
// Several at once (cork): the first record's step 4 is held back (its word stays 0, so nothing
//   behind it can be reached); every further record does all four steps, the fourth relaxed. The
//   publication of all of them is the held back store, with release.
// After a publication, in this order: `tail` = position (release: never ahead of the publication),
//   `messages` (relaxed), then the look at `consumer_parked`.
//
// Reading at `position`:
//   commit = the word at `position`, acquire, loaded once. 0: there is nothing. Then `type`, once.
//   require bit 31; length = commit & 0x7fffffff
//   type == -1: require offset > 0 and offset + 8 + length == capacity, in 64 bits or after
//     length <= capacity - 8; position += 8 + length. Padding may have come alone (a simple peer
//     may publish it so, with the word at the start of the data as its zero ahead).
//   else: require type >= 0, length <= capacity / 2 - 16, offset + size <= capacity
//   release: position += size; `head` = position (release), `messages` (relaxed), then the look at
//     `producer_parked`. `head` may be stored once for several records.
//   One call handles at most `capacity` bytes, however fast the producer writes.
//   The consumer does not read the producer's line while it runs.
//
// A successor:
//   of a consumer begins at `head`.
//   of a producer begins at `tail` and walks on over records that are committed, with the checks of
//     a reader, until a word that is 0: a dead producer may have published once more than `tail`
//     says, and nothing else. The walk ends within capacity - 8 bytes, at a position that is not
//     behind `head` and at most capacity - 8 beyond it; anything else is corruption. It stores what
//     it found to `tail`. `head` can be beyond `tail` for the same reason.
//
// Sleeping and waking. Each side stores one word and then loads the other's:
//   sleeper: store own `parked`; barrier; look at the peer's word; sleep only if nothing came
//   waker:   store own word (commit or `head`); barrier; load the peer's `parked`
// One of the two must see the other's store, so both barriers are needed; the question is who pays.
//   An endpoint is REGISTERED when its process could register for membarrier(2)'s
//   GLOBAL_EXPEDITED, which it tries at each claim (before anything else of it can be seen), else
//   FENCED.
//   registered, as waker:   a plain load right after the release store; only the compiler is kept
//                           from reordering. The peer's barrier counts for this processor too.
//   registered, as sleeper: its barrier is membarrier(GLOBAL_EXPEDITED), a full barrier on every
//                           processor that runs a registered process.
//   fenced, as waker:       a full fence between its store and its load, each time.
//   fenced, as sleeper:     a full fence of its own; and from its claim on it keeps bit 31 of its
//                           own `parked` word set. A waker that loads a word with this bit passes a
//                           full fence and loads the word again.
//   waker, in both cases:   if the low 31 bits are not 0 (a consumer: and the room is at least that
//                           large), take them back with an atomic AND that keeps bit 31; whoever
//                           found low bits that were not 0 rings the doorbell.
//   A consumer learns the room from `tail`, which it loads (acquire) only when the low bits are not
//   0: a producer has stored it before it parked. A `tail` behind its own position means that all
//   is free.
//   A sleeper reads its doorbell's count before it stores `parked`, and does not sleep if it has
//   moved. Nobody sleeps longer than 100 ms without looking again, for a peer killed between
//   its store and its ring. (It also covers the one publication whose waker read `parked` before a
//   fenced peer's claim, while its store was still on the way.)
//
// A claim stores 0 (registered), or bit 31 (fenced), to its own `parked` word; a peer that never
// sleeps stores 0.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice {

static_assert(std::endian::native == std::endian::little, "the ring format is little endian");
static_assert(std::atomic<uint32_t>::is_always_lock_free);
static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

inline constexpr char kRingMagic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'R', 'G'};
inline constexpr uint32_t kRingVersionMajor = 2;
inline constexpr uint32_t kRingVersionMinor = 0;
inline constexpr uint32_t kRingVersion = kRingVersionMajor << 16 | kRingVersionMinor;
inline constexpr uint32_t kRingHeaderSize = 4096;
inline constexpr uint32_t kRingMinCapacity = 4096;
inline constexpr uint32_t kRingMaxCapacity = 1u << 30;
inline constexpr uint32_t kRecordHeaderSize = 8;
inline constexpr int32_t kPaddingType = -1;

// In a record's commit word: it is there.
inline constexpr uint32_t kCommitted = 0x80000000u;

// In a side's `parked` word: it cannot make its peer pass a barrier, which must fence by itself.
inline constexpr uint32_t kFenceWanted = 0x80000000u;

// Life of a role. A holder that is gone while its state says `open` died (or gave the role up).
enum class RoleState : uint32_t { kNever = 0, kOpen = 1, kClosed = 2 };

// The words that one side writes for others to read. Two of these are 128 bytes apart: two cache
// lines, because the adjacent-line prefetcher pulls lines in pairs.
struct alignas(128) RingSide {
  std::atomic<uint32_t> position;  // the consumer's head; the producer's tail, only a note
  std::atomic<uint32_t> messages;
  std::atomic<uint32_t> state;
  std::atomic<uint32_t> pid;      // information only: liveness comes from the role's lock
  std::atomic<uint32_t> streams;  // begun by producers; seen to their end by consumers
  std::atomic<uint32_t> claims;   // tells one holder of the role from the next
};

struct alignas(128) RingWord {
  std::atomic<uint32_t> value;
};

struct RingHeader {
  char magic[8];
  std::atomic<uint32_t> version;  // stored last, with release; 0 until the ring is ready
  uint32_t header_size;
  uint32_t capacity;
  RingSide producer;
  RingSide consumer;
  RingWord consumer_parked;
  RingWord producer_parked;
  RingWord consumer_doorbell;
  RingWord producer_doorbell;
};

static_assert(offsetof(RingHeader, version) == 8);
static_assert(offsetof(RingHeader, header_size) == 12);
static_assert(offsetof(RingHeader, capacity) == 16);
static_assert(offsetof(RingHeader, producer) == 128);
static_assert(offsetof(RingHeader, consumer) == 256);
static_assert(offsetof(RingHeader, consumer_parked) == 384);
static_assert(offsetof(RingHeader, producer_parked) == 512);
static_assert(offsetof(RingHeader, consumer_doorbell) == 640);
static_assert(offsetof(RingHeader, producer_doorbell) == 768);
static_assert(offsetof(RingSide, messages) == 4);
static_assert(offsetof(RingSide, state) == 8);
static_assert(offsetof(RingSide, pid) == 12);
static_assert(offsetof(RingSide, streams) == 16);
static_assert(offsetof(RingSide, claims) == 20);
static_assert(sizeof(RingHeader) <= kRingHeaderSize);

constexpr bool ring_capacity_is_valid(uint64_t capacity) {
  return capacity >= kRingMinCapacity && capacity <= kRingMaxCapacity &&
         std::has_single_bit(capacity);
}

// The longest payload whose record fits into an empty ring wherever its position lies, with the
// padding before it and the zero ahead.
constexpr uint32_t ring_max_message_length(uint32_t capacity) {
  return capacity / 2 - 2 * kRecordHeaderSize;
}

// The most that is ever stored: the word behind the last record is the zero ahead.
constexpr uint32_t ring_max_stored(uint32_t capacity) {
  return capacity - kRecordHeaderSize;
}

constexpr uint64_t ring_memory_size(uint32_t capacity) {
  return uint64_t{kRingHeaderSize} + capacity;
}

// Bytes that a record takes; `length` must not exceed the longest message.
constexpr uint32_t record_size(uint32_t length) {
  return kRecordHeaderSize + ((length + 7u) & ~7u);
}

}  // namespace sluice
