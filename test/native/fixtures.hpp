// Rings and random records for the tests.
#pragma once

#include <array>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "sluice/ring.hpp"

namespace fixtures {

using namespace std::chrono_literals;

inline constexpr uint32_t kSmall = sluice::kRingMinCapacity;

// Far beyond anything that a test waits for: it only keeps a broken test from hanging.
inline constexpr std::chrono::seconds kLong{60};

inline sluice::RingHeader& header(const sluice::Ring& ring) {
  return ring.memory().header();
}

// Whether an endpoint sleeps or is about to, by its `parked` word.
inline bool is_parked(const sluice::RingWord& word) {
  return (word.value & ~sluice::kFenceWanted) != 0;
}

// An empty ring whose positions stand at `position`.
inline sluice::Ring ring_at(uint32_t position, uint32_t capacity = kSmall) {
  sluice::Ring ring = sluice::Ring::anonymous(capacity);
  header(ring).producer.position = position;
  header(ring).consumer.position = position;
  return ring;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

inline std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline std::string text_of(const std::optional<sluice::RingConsumer::Message>& message) {
  return message ? text_of(message->payload) : "(none)";
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {  // splitmix64
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(next() % limit); }

 private:
  uint64_t state_;
};

inline void spin(uint32_t turns) {
  for (; turns > 0; --turns) std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Record number n has a length, a type and bytes that follow from n alone.
struct NumberedRecord {
  uint64_t number;
  uint32_t length;
  int32_t type;

  NumberedRecord(uint64_t n, uint32_t longest) : number(n) {
    Random random(n);
    // Mostly short, now and then any length at all.
    length = random.below(64) == 0 ? random.below(longest + 1) : random.below(120);
    length = std::min(length, longest);
    type = static_cast<int32_t>(random.below(0x80000000u));
  }

  uint64_t word(uint32_t index) const { return (number + index) * 0x9e3779b97f4a7c15u; }

  void fill(std::span<std::byte> payload) const {
    uint32_t at = 0;
    for (; at + 8 <= length; at += 8) {
      const uint64_t value = word(at);
      std::memcpy(&payload[at], &value, 8);
    }
    const uint64_t rest = word(at);
    if (at < length) std::memcpy(&payload[at], &rest, length - at);
  }

  bool matches(const sluice::RingConsumer::Message& message) const {
    if (message.type != type || message.payload.size() != length) return false;
    uint32_t at = 0;
    for (; at + 8 <= length; at += 8) {
      const uint64_t value = word(at);
      if (std::memcmp(&message.payload[at], &value, 8) != 0) return false;
    }
    const uint64_t rest = word(at);
    return at == length || std::memcmp(&message.payload[at], &rest, length - at) == 0;
  }
};

// Blocks for room where it must. False if the consumer is gone.
inline bool write_numbered(sluice::RingProducer& producer, uint64_t number) {
  const NumberedRecord record(number, producer.ring().max_message_length());
  for (;;) {
    const auto room = producer.try_reserve(record.length, record.type);
    if (room.data() != nullptr) {
      record.fill(room);
      producer.commit();
      return true;
    }
    if (producer.wait_for_room(record.length, kLong) != sluice::WaitStatus::kReady) return false;
  }
}

}  // namespace fixtures
