// Long streams of random records, between threads and between processes.
// SLUICE_TEST_SCALE makes them longer; see check::scaled.
#include <thread>

#include "fixtures.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

// So near to 2^32 that the positions wrap soon and, in the long form, again.
constexpr uint32_t kNearTheWrap = 0u - (1u << 18);

void produce(const Ring& ring, uint64_t count) {
  RingProducer producer = ring.producer();
  Random random(7);
  for (uint64_t number = 0; number < count; ++number) {
    // Every now and then a batch that is published as one.
    if (random.below(256) == 0) producer.cork();
    check::that(write_numbered(producer, number), "the consumer is there");
    if (random.below(64) == 0) producer.uncork();
  }
  producer.close();
}

void consume(const Ring& ring, uint64_t count) {
  RingConsumer consumer = ring.consumer();
  const uint32_t longest = ring.memory().max_message_length();
  uint64_t number = 0;
  const auto expect_next = [&](const RingConsumer::Message& message) {
    if (!NumberedRecord(number, longest).matches(message)) {
      check::fail("record " + std::to_string(number) + " is not what was written");
    }
    ++number;
    return true;
  };
  while (consumer.wait_for_message(kLong) == WaitStatus::kReady) {
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

void between_threads(uint32_t capacity) {
  const Ring ring = ring_at(kNearTheWrap, capacity);
  const uint64_t count = check::scaled(300'000);
  std::thread producer([&] { produce(ring, count); });
  consume(ring, count);
  producer.join();
}

void between_threads_over_the_smallest_ring() {
  between_threads(kSmall);
}

void between_threads_over_a_large_ring() {
  between_threads(1 << 20);
}

void between_processes() {
  const TemporaryName name;
  const Ring ring = Ring::create(name.get(), 1 << 16);
  header(ring).producer.position = kNearTheWrap;
  header(ring).consumer.position = kNearTheWrap;
  const uint64_t count = check::scaled(1'000'000);
  Child child([&] { produce(Ring::open(name.get()), count); });
  consume(ring, count);
  check::equal(child.wait(), 0);
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"between threads over the smallest ring", between_threads_over_the_smallest_ring},
       {"between threads over a large ring", between_threads_over_a_large_ring},
       {"between processes", between_processes}},
      argc, argv);
}
