// A long stream of numbered records through a ring, and its check.
#pragma once

#include "fixtures.hpp"

namespace fixtures {

// So near to 2^32 that the positions wrap soon and, in the long form, again.
inline constexpr uint32_t kNearTheWrap = 0u - (1u << 18);

inline void produce(const sluice::Ring& ring, uint64_t count) {
  sluice::RingProducer producer = ring.producer();
  Random random(7);
  for (uint64_t number = 0; number < count; ++number) {
    // Every now and then a batch that is published as one.
    if (random.below(256) == 0) producer.cork();
    check::that(write_numbered(producer, number), "the consumer is there");
    if (random.below(64) == 0) producer.uncork();
  }
  producer.close();
}

inline void consume(const sluice::Ring& ring, uint64_t count) {
  sluice::RingConsumer consumer = ring.consumer();
  const uint32_t longest = ring.memory().max_message_length();
  uint64_t number = 0;
  const auto expect_next = [&](const sluice::RingConsumer::Message& message) {
    if (!NumberedRecord(number, longest).matches(message)) {
      check::fail("record " + std::to_string(number) + " is not what was written");
    }
    ++number;
    return true;
  };
  while (consumer.wait_for_message(kLong) == sluice::WaitStatus::kReady) {
    if (number % 2 == 0) {
      consumer.drain(expect_next);
    } else {
      expect_next(*consumer.peek());
      consumer.release();
    }
  }
  check::equal(number, count);
  check::equal(header(ring).consumer.messages.load(), static_cast<uint32_t>(count));
  check::equal(header(ring).producer.messages.load(), static_cast<uint32_t>(count));
  check::equal(header(ring).consumer.position.load(), header(ring).producer.position.load());
}

}  // namespace fixtures
