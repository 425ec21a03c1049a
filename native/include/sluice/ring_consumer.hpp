// The reading end of a ring.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "sluice/detail/polite_looks.hpp"
#include "sluice/detail/ring_claim.hpp"
#include "sluice/detail/ring_endpoint.hpp"

namespace sluice {

class RingConsumer : public RingEndpoint {
 public:
  struct Message {
    std::span<const std::byte> payload;  // lies in the ring, until it is released
    int32_t type;
  };

  // Claims the role.
  explicit RingConsumer(const RingMemory& ring, EndpointState* state = nullptr)
      : RingConsumer(ring, claim_role(ring, Role::kConsumer).surroundings(), state) {}
  RingConsumer(RingMemory ring, RingSurroundings surroundings, EndpointState* state = nullptr)
      : RingEndpoint(std::move(ring), Role::kConsumer, std::move(surroundings), state) {}

  // The next message where it lies, or nothing when the ring is empty. Peeking again gives the
  // same message, until `release`.
  std::optional<Message> peek();

  // Moves on and gives the peeked message's room back to the producer.
  void release();

  // Calls `handler(message)` for up to `limit` messages, with one release at the end of the batch
  // or of an eighth of the ring. The handler may return false to stop after its message; if it
  // throws, its message stays. Returns how many were handled. It ends when a ring's bytes have been
  // handled, however fast the producer writes.
  template <typename Handler>
  size_t drain(Handler&& handler, size_t limit = SIZE_MAX);

  // Blocks until there is a message, or the producer is gone and will send none. kPeerClosed, the
  // end of the stream, is final for this consumer.
  WaitStatus wait_for_message(std::chrono::nanoseconds timeout);

  // Records that the end of the stream has been seen, so that another stream may begin.
  void finish();

  // Give the role up. Handled messages have left the ring; a message that is peeked has not.
  void close();
  void abandon();

 private:
  bool find_record();
  bool advance();
  void publish();

  PoliteLooks looks_;
};

inline std::optional<RingConsumer::Message> RingConsumer::peek() {
  if (state_.status != EndpointStatus::kUsable) {
    require_usable();
    return std::nullopt;  // its stream has ended
  }
  if (state_.length == EndpointState::kNoRecord && !find_record()) return std::nullopt;
  return Message{{records_.payload_at(state_.record), state_.length}, state_.type};
}

inline bool RingConsumer::find_record() {
  RingRecords::Found found = records_.find(state_.position);
  if (found.kind == RingRecords::Kind::kNothing) {
    if (!looks_.pause()) return false;
    found = records_.find(state_.position);
    if (found.kind == RingRecords::Kind::kNothing) {
      looks_.nothing_after_pause();
      return false;
    }
    looks_.found_after_pause();
  } else {
    looks_.found();
  }
  if (found.kind == RingRecords::Kind::kPadding) {
    // No second padding can follow: at the beginning of the data it is none.
    state_.position += found.size;
    found = records_.find(state_.position);
    if (found.kind == RingRecords::Kind::kNothing) {
      // Padding that came alone must not wait for a record that is not there yet.
      publish();
      return false;
    }
  }
  if (found.kind != RingRecords::Kind::kRecord) fail_corrupt(RingRecords::complaint(found.kind));
  state_.record = state_.position;
  state_.length = found.length;
  state_.type = found.type;
  return true;
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
  using detail::Failpoint;
  // A consumer that gave its role up must not touch what may be its successor's.
  if (state_.position == state_.published || state_.status == EndpointStatus::kClosed) return;
  state_.published = state_.position;
  // release: gives the bytes to the producer; pairs with the acquire in `has_room`. It is also the
  // waker's store.
  own().position.store(state_.position, std::memory_order_release);
  detail::reached_failpoint(Failpoint::kHead);
  own().messages.store(state_.messages, std::memory_order_relaxed);
  detail::reached_failpoint(Failpoint::kConsumerMessages);
  const uint32_t wanted = peer_wants();
  if (wanted == 0) return;
  // relaxed: stored before the announcement, which was read with acquire. It is read only now:
  // while the producer runs it would cost both sides a cache line for each record.
  const uint32_t tail = peer().position.load(std::memory_order_relaxed);
  // An old tail makes the room look larger, so the wake-up comes early, never late.
  const uint32_t stored = tail - state_.position;
  if (stored > records_.capacity() || records_.capacity() - stored >= wanted) wake_peer();
}

template <typename Handler>
size_t RingConsumer::drain(Handler&& handler, size_t limit) {
  // Publishes on every way out. A message whose handler throws was not stepped over.
  struct PublishAtExit {
    RingConsumer& consumer;
    ~PublishAtExit() { consumer.publish(); }
  } const at_exit{*this};
  const uint32_t start = state_.position;
  size_t count = 0;
  while (count < limit && state_.position - start < records_.capacity()) {
    const std::optional<Message> message = peek();
    if (!message) break;
    const bool more = handler(*message);
    advance();
    ++count;
    if (state_.position - state_.published >= records_.capacity() / 8) publish();
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
