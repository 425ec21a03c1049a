// The reading end of a ring.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sluice/detail/ring_endpoint.hpp"

namespace sluice {

class RingConsumer : public RingEndpoint {
 public:
  struct Message {
    std::span<const std::byte> payload;  // lies in the ring, until it is released
    int32_t type;
  };

  explicit RingConsumer(RingMemory ring, EndpointState* state = nullptr)
      : RingEndpoint(std::move(ring), Role::kConsumer, state) {}

  // The next message where it lies, or nothing when the ring is empty. Peeking again gives the
  // same message, until `release`.
  std::optional<Message> peek();

  // Moves on and gives the peeked message's room back to the producer.
  void release();

  // Calls `handler(message)` for up to `limit` messages, with one release at the end of the batch
  // or of an eighth of the ring. The handler may return false to stop after its message; if it
  // throws, its message stays. Returns how many were handled.
  template <typename Handler>
  size_t drain(Handler&& handler, size_t limit = SIZE_MAX);

  // Blocks until there is a message, or the producer is gone and will send none. kPeerClosed, the
  // end of the stream, is final for this consumer.
  WaitStatus wait_for_message(std::chrono::nanoseconds timeout);

  // Records that the end of the stream has been seen, so that another stream may begin.
  void finish();

  // Give the role up. What was handled has left the ring; a message that is peeked has not.
  void close();
  void abandon();

 private:
  uint32_t load_word(uint32_t offset) const {
    // relaxed: ordered by the load of the tail. Atomic, because a hostile peer may write it now.
    return reinterpret_cast<const std::atomic<uint32_t>*>(data_ + offset)
        ->load(std::memory_order_relaxed);
  }
  bool has_record();
  bool advance();
  void publish();
};

inline bool RingConsumer::has_record() {
  if (state_.peer_position != state_.position) return true;
  // acquire: pairs with the producer's store of its tail; the records before it are complete.
  const uint32_t tail = peer().position.load(std::memory_order_acquire);
  if (tail - state_.published > capacity_ || tail - state_.position > capacity_ ||
      (tail & 7u) != 0) {
    fail_corrupt("the producer's position is out of range");
  }
  state_.peer_position = tail;
  return tail != state_.position;
}

inline std::optional<RingConsumer::Message> RingConsumer::peek() {
  require_usable();
  if (state_.status == EndpointStatus::kEnded) return std::nullopt;
  while (state_.length == EndpointState::kNoRecord) {
    if (!has_record()) return std::nullopt;
    const uint32_t offset = state_.position & mask_;
    const uint32_t stored = state_.peer_position - state_.position;
    const uint32_t length = load_word(offset);
    const auto type = static_cast<int32_t>(load_word(offset + 4));
    if (length > capacity_ - kRecordHeaderSize) fail_corrupt("a record is longer than the ring");
    const uint32_t size = record_size(length);
    if (size > stored) fail_corrupt("a record reaches beyond what was published");
    if (type == kPaddingType) {
      if (offset == 0 || offset + size != capacity_) {
        fail_corrupt("padding does not reach to the end of the data");
      }
      state_.position += size;
      // Padding that came alone must not wait for a record that is not there yet.
      if (state_.position == state_.peer_position) publish();
    } else {
      if (type < 0 || length > ring_.max_message_length() || offset + size > capacity_) {
        fail_corrupt("a record's header makes no sense");
      }
      state_.record = state_.position;
      state_.length = length;
      state_.type = type;
    }
  }
  return Message{{data_ + (state_.record & mask_) + kRecordHeaderSize, state_.length}, state_.type};
}

// Steps over the peeked record without telling the producer.
inline bool RingConsumer::advance() {
  if (state_.length == EndpointState::kNoRecord) return false;
  state_.position = state_.record + record_size(state_.length);
  state_.length = EndpointState::kNoRecord;
  ++state_.messages;
  return true;
}

inline void RingConsumer::release() {
  require_usable();
  if (!advance()) throw Error(error_code::kInvalidState, "there is no peeked message to release");
  publish();
}

inline void RingConsumer::publish() {
  if (state_.position == state_.published || !is_open()) return;
  state_.published = state_.position;
  own().messages.store(state_.messages, std::memory_order_relaxed);
  // seq_cst: the waker's store; it also releases the bytes to the producer.
  own().position.store(state_.position, std::memory_order_seq_cst);
  // seq_cst: the waker's load; pairs with the store in `announce`.
  const uint32_t wanted = peer_parked().load(std::memory_order_seq_cst);
  if (wanted == 0) return;
  // An old copy of the tail makes the room look larger, so the wake-up comes early, never late.
  if (capacity_ - (state_.peer_position - state_.position) >= wanted) wake_peer();
}

template <typename Handler>
size_t RingConsumer::drain(Handler&& handler, size_t limit) {
  // Publishes on every way out. A message whose handler throws was not stepped over.
  struct PublishAtExit {
    RingConsumer& consumer;
    ~PublishAtExit() { consumer.publish(); }
  } const at_exit{*this};
  size_t count = 0;
  while (count < limit) {
    const std::optional<Message> message = peek();
    if (!message) break;
    const bool more = handler(*message);
    advance();
    ++count;
    if (state_.position - state_.published >= capacity_ / 8) publish();
    if (!more) break;
  }
  return count;
}

inline WaitStatus RingConsumer::wait_for_message(std::chrono::nanoseconds timeout) {
  require_usable();
  if (peek()) return WaitStatus::kReady;
  if (state_.status == EndpointStatus::kEnded) return WaitStatus::kPeerClosed;
  const WaitStatus status = wait(0, timeout);
  if (status == WaitStatus::kPeerClosed) finish();
  return status;
}

inline void RingConsumer::finish() {
  own().streams.store(peer().streams.load(std::memory_order_relaxed), std::memory_order_release);
  state_.status = EndpointStatus::kEnded;
}

inline void RingConsumer::close() {
  if (state_.status == EndpointStatus::kUsable) publish();
  RingEndpoint::close();
}

inline void RingConsumer::abandon() {
  if (state_.status == EndpointStatus::kUsable) publish();
  RingEndpoint::abandon();
}

}  // namespace sluice
