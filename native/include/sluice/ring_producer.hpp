// The writing end of a ring.
#pragma once

#include <cstring>
#include <optional>
#include <span>

#include "sluice/detail/prefetch.hpp"
#include "sluice/detail/ring_claim.hpp"
#include "sluice/detail/ring_endpoint.hpp"

namespace sluice {

// Bytes behind a record of which the cache line is fetched when the record is committed.
inline constexpr uint32_t kPrefetchDistance = 128;

class RingProducer : public RingEndpoint {
 public:
  // Claims the role.
  explicit RingProducer(const RingMemory& ring, EndpointState* state = nullptr)
      : RingProducer(ring, claim_role(ring, Role::kProducer).surroundings(), state) {}
  RingProducer(RingMemory ring, RingSurroundings surroundings, EndpointState* state = nullptr)
      : RingEndpoint(std::move(ring), Role::kProducer, std::move(surroundings), state) {}

  // Room for a payload, or an empty span with a null pointer when the ring is full. Write into it,
  // then `commit`; nothing is visible to the consumer before.
  std::span<std::byte> try_reserve(uint32_t length, int32_t type = 0);

  // Completes the reserved record, perhaps with a shorter payload, and publishes it.
  void commit(std::optional<uint32_t> length = std::nullopt);

  // Gives the reservation up.
  void abort() { state_.length = EndpointState::kNoRecord; }

  // reserve, copy, commit. False when the ring is full.
  bool try_write(std::span<const std::byte> payload, int32_t type = 0);

  // Between the two, commits are published together (or when the ring is full). They nest.
  void cork() { ++state_.corked; }
  void uncork() {
    if (state_.corked == 0 || --state_.corked == 0) publish();
  }

  // Blocks until a payload of this length fits.
  WaitStatus wait_for_room(uint32_t length, std::chrono::nanoseconds timeout);

  // Ends the stream, after what is committed.
  void close();
  // Leaves the role to a successor, who goes on after what is committed.
  void abandon();

  // Bytes that have to be free for a payload of this length, with the padding before it and the
  // zero ahead behind it.
  uint32_t needed(uint32_t length) const;

  void publish();

 private:
  void put_headers(uint32_t length);
  bool has_room(uint32_t bytes);
  void require_length(size_t length) const;
};

inline uint32_t RingProducer::needed(uint32_t length) const {
  const uint32_t size = record_size(length);
  const uint32_t rest = records_.to_the_end(state_.position);
  return (size <= rest ? size : rest + size) + kRecordHeaderSize;
}

inline void RingProducer::require_length(size_t length) const {
  if (length <= ring_.max_message_length()) return;
  throw Error(error_code::kMessageTooLong, "a message of " + std::to_string(length) +
                                               " bytes is longer than this ring takes (" +
                                               std::to_string(ring_.max_message_length()) + ")");
}

inline bool RingProducer::has_room(uint32_t bytes) {
  const uint32_t capacity = records_.capacity();
  if (capacity - (state_.position - state_.peer_position) >= bytes) return true;
  // acquire: pairs with the consumer's store of its head; it has finished reading those bytes.
  const uint32_t head = peer().position.load(std::memory_order_acquire);
  // Neither beyond what was published nor behind where the head has been.
  const uint32_t most = ring_max_stored(capacity);
  if (state_.published - head > most || state_.position - head > most || (head & 7u) != 0) {
    fail_corrupt("the consumer's position is out of range");
  }
  state_.peer_position = head;
  return capacity - (state_.position - head) >= bytes;
}

inline std::span<std::byte> RingProducer::try_reserve(uint32_t length, int32_t type) {
  require_usable();
  require_length(length);
  if (type < 0) throw Error(error_code::kInvalidArgument, "a message's type must not be negative");
  if (state_.length != EndpointState::kNoRecord) {
    throw Error(error_code::kInvalidState, "a reservation is open; commit or abort it first");
  }
  const uint32_t total = needed(length);
  if (!has_room(total)) {
    publish();  // what is corked must leave, or the room will never come
    return {};
  }
  state_.record = state_.position + (total - record_size(length) - kRecordHeaderSize);
  state_.length = length;
  state_.type = type;
  return {records_.payload_at(state_.record), length};
}

inline void RingProducer::commit(std::optional<uint32_t> shorter) {
  require_usable();
  if (state_.length == EndpointState::kNoRecord) {
    throw Error(error_code::kInvalidState, "there is no reservation to commit");
  }
  const uint32_t length = shorter.value_or(state_.length);
  if (length > state_.length) {
    throw Error(error_code::kInvalidArgument, "cannot commit " + std::to_string(length) +
                                                  " bytes of a reservation of " +
                                                  std::to_string(state_.length));
  }
  put_headers(length);
  state_.length = EndpointState::kNoRecord;
  ++state_.messages;
  if (state_.corked == 0) publish();
}

// Completes the record at `record`, and the padding before it, except for the one word that makes
// it visible when it is the first that is not published.
//
// relaxed, all of them: the consumer comes here only after the publication, which is a release.
inline void RingProducer::put_headers(uint32_t length) {
  using detail::Failpoint;
  const uint32_t end = state_.record + record_size(length);
  records_.type_at(state_.record)
      .store(static_cast<uint32_t>(state_.type), std::memory_order_relaxed);
  detail::reached_failpoint(Failpoint::kType);
  // The zero ahead: what lies there now is payload of an earlier lap.
  records_.commit_at(end).store(0, std::memory_order_relaxed);
  detail::reached_failpoint(Failpoint::kZeroAhead);
  // The consumer has had these lines since the last lap: each takes as long to come back as several
  // records to write.
  prefetch_to_write(records_.payload_at(end + kPrefetchDistance));
  uint32_t commit = kCommitted | length;
  if (state_.record != state_.position) {
    records_.commit_at(state_.record).store(commit, std::memory_order_relaxed);
    detail::reached_failpoint(Failpoint::kWrappedRecord);
    records_.type_at(state_.position)
        .store(static_cast<uint32_t>(kPaddingType), std::memory_order_relaxed);
    detail::reached_failpoint(Failpoint::kPadding);
    commit = kCommitted | (state_.record - state_.position - kRecordHeaderSize);
  }
  if (state_.position == state_.published) {
    state_.held_back = commit;
  } else {
    records_.commit_at(state_.position).store(commit, std::memory_order_relaxed);
    detail::reached_failpoint(Failpoint::kLaterCommit);
  }
  state_.position = end;
}

inline void RingProducer::publish() {
  using detail::Failpoint;
  // A producer that gave its role up must not touch what may be its successor's.
  if (state_.position == state_.published || state_.status == EndpointStatus::kClosed) return;
  // release: pairs with the acquire in `RingRecords::find`. It is also the waker's store.
  records_.commit_at(state_.published).store(state_.held_back, std::memory_order_release);
  detail::reached_failpoint(Failpoint::kPublished);
  state_.held_back = 0;
  state_.published = state_.position;
  // A note for a successor, and for a consumer that finds this side parked. release: it must not
  // come before the publication, or a successor would begin where no consumer ever looks.
  own().position.store(state_.position, std::memory_order_release);
  detail::reached_failpoint(Failpoint::kTail);
  own().messages.store(state_.messages, std::memory_order_relaxed);
  detail::reached_failpoint(Failpoint::kProducerMessages);
  if (peer_wants() != 0) wake_peer();
}

inline bool RingProducer::try_write(std::span<const std::byte> payload, int32_t type) {
  require_length(payload.size());
  const auto room = try_reserve(static_cast<uint32_t>(payload.size()), type);
  if (room.data() == nullptr) return false;
  if (!payload.empty()) std::memcpy(room.data(), payload.data(), payload.size());
  commit();
  return true;
}

inline WaitStatus RingProducer::wait_for_room(uint32_t length, std::chrono::nanoseconds timeout) {
  require_usable();
  require_length(length);
  publish();
  const uint32_t bytes = needed(length);
  return has_room(bytes) ? WaitStatus::kReady : wait(bytes, timeout);
}

inline void RingProducer::close() {
  if (state_.status == EndpointStatus::kUsable) publish();
  RingEndpoint::close();
}

inline void RingProducer::abandon() {
  if (state_.status == EndpointStatus::kUsable) publish();
  RingEndpoint::abandon();
}

}  // namespace sluice
