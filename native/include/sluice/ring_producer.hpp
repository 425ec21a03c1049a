// The writing end of a ring.
#pragma once

#include <cstring>
#include <optional>
#include <span>

#include "sluice/detail/ring_endpoint.hpp"

namespace sluice {

class RingProducer : public RingEndpoint {
 public:
  explicit RingProducer(RingMemory ring, EndpointState* state = nullptr)
      : RingEndpoint(std::move(ring), Role::kProducer, state) {}

  // Room for a payload, or an empty span with a null pointer when the ring is full. Write into it,
  // then `commit`; nothing is visible to the consumer before.
  std::span<std::byte> try_reserve(uint32_t length, int32_t type = 0);

  // Completes the reserved record, perhaps with a shorter payload, and publishes it.
  void commit(std::optional<uint32_t> length = std::nullopt);

  // Gives the reservation up.
  void abort() { state_.length = EndpointState::kNoRecord; }

  // reserve, copy, commit. False when the ring is full.
  bool try_write(std::span<const std::byte> payload, int32_t type = 0);

  // Between the two, commits are published together (or when the ring is full).
  void cork() { state_.corked = 1; }
  void uncork() {
    state_.corked = 0;
    publish();
  }

  // Blocks until a payload of this length fits.
  WaitStatus wait_for_room(uint32_t length, std::chrono::nanoseconds timeout);

  // Ends the stream, after what is committed.
  void close();
  // Leaves the role to a successor, who goes on after what is committed.
  void abandon();

  // Bytes that have to be free for a payload of this length, with the padding before it.
  uint32_t needed(uint32_t length) const;

  void publish();

 private:
  std::atomic<uint32_t>& word_at(uint32_t offset) const {
    return *reinterpret_cast<std::atomic<uint32_t>*>(data_ + offset);
  }
  void put_header(uint32_t offset, uint32_t length, int32_t type);
  bool has_room(uint32_t size);
  void require_length(size_t length) const;
};

inline uint32_t RingProducer::needed(uint32_t length) const {
  const uint32_t size = record_size(length);
  const uint32_t to_the_end = capacity_ - (state_.position & mask_);
  return size <= to_the_end ? size : to_the_end + size;
}

inline void RingProducer::require_length(size_t length) const {
  if (length <= ring_.max_message_length()) return;
  throw Error(error_code::kMessageTooLong, "a message of " + std::to_string(length) +
                                               " bytes is longer than this ring takes (" +
                                               std::to_string(ring_.max_message_length()) + ")");
}

inline bool RingProducer::has_room(uint32_t size) {
  if (capacity_ - (state_.position - state_.peer_position) >= size) return true;
  // acquire: pairs with the consumer's store of its head; it has finished reading those bytes.
  const uint32_t head = peer().position.load(std::memory_order_acquire);
  // Neither beyond what was published nor behind where the head has been.
  if (state_.published - head > capacity_ || state_.position - head > capacity_ ||
      (head & 7u) != 0) {
    fail_corrupt("the consumer's position is out of range");
  }
  state_.peer_position = head;
  return capacity_ - (state_.position - head) >= size;
}

inline void RingProducer::put_header(uint32_t offset, uint32_t length, int32_t type) {
  // relaxed: published by the store of the tail.
  word_at(offset).store(length, std::memory_order_relaxed);
  word_at(offset + 4).store(static_cast<uint32_t>(type), std::memory_order_relaxed);
}

inline std::span<std::byte> RingProducer::try_reserve(uint32_t length, int32_t type) {
  require_usable();
  require_length(length);
  if (type < 0) throw Error(error_code::kInvalidArgument, "a message's type must not be negative");
  if (state_.length != EndpointState::kNoRecord) {
    throw Error(error_code::kInvalidState, "a reservation is open; commit or abort it first");
  }
  const uint32_t size = record_size(length);
  const uint32_t total = needed(length);
  if (!has_room(total)) {
    publish();  // what is corked must leave, or the room will never come
    return {};
  }
  if (total != size) {
    put_header(state_.position & mask_, total - size - kRecordHeaderSize, kPaddingType);
  }
  state_.record = state_.position + (total - size);
  state_.length = length;
  state_.type = type;
  return {data_ + (state_.record & mask_) + kRecordHeaderSize, length};
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
  put_header(state_.record & mask_, length, state_.type);
  state_.position = state_.record + record_size(length);
  state_.length = EndpointState::kNoRecord;
  ++state_.messages;
  if (state_.corked == 0) publish();
}

inline void RingProducer::publish() {
  // A producer that gave its role up must not touch what may be its successor's.
  if (state_.position == state_.published || !is_open()) return;
  state_.published = state_.position;
  own().messages.store(state_.messages, std::memory_order_relaxed);
  // seq_cst: the waker's store. It also releases the records: pairs with the consumer's load.
  own().position.store(state_.position, std::memory_order_seq_cst);
  // seq_cst: the waker's load; pairs with the store in `announce`.
  if (peer_parked().load(std::memory_order_seq_cst) != 0) wake_peer();
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
  const uint32_t total = needed(length);
  return has_room(total) ? WaitStatus::kReady : wait(total, timeout);
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
