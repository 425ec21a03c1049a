// One end of a ring in plain C++, for comparison with the same in JavaScript.
//
//   ring_peer <mode> <role> <ring>[,<ring back>] <length> <warm-up ms> <measure ms>
//
// modes: zero-copy  a number is written where the message lies, and read there
//        copy       the message is copied in, and out
//        copy-in    the message is copied in, and looked at where it lies
//        corked     as zero-copy, and 16 messages at a time are corked
//        ping-pong  with zero-copy messages; `consumer` answers
#include <cstring>
#include <string>
#include <vector>

#include "protocol.hpp"
#include "sluice/ring.hpp"

namespace {

constexpr uint64_t kBatch = 1024;  // messages between two looks at the clock
constexpr uint32_t kCorked = 16;   // messages between cork and uncork
constexpr std::chrono::seconds kLongest{60};

[[noreturn]] void fail(const char* reason) {
  std::fprintf(stderr, "%s\n", reason);
  std::exit(1);
}

void put_number(std::span<std::byte> room, uint32_t number) {
  std::memcpy(room.data(), &number, sizeof(number));
}

uint32_t number_of(std::span<const std::byte> payload) {
  uint32_t number = 0;
  std::memcpy(&number, payload.data(), sizeof(number));
  return number;
}

void wait_for_room(sluice::RingProducer& producer, uint32_t length) {
  if (producer.wait_for_room(length, kLongest) != sluice::WaitStatus::kReady) std::exit(0);
}

void wait_for_message(sluice::RingConsumer& consumer) {
  if (consumer.wait_for_message(kLongest) != sluice::WaitStatus::kReady) fail("no messages");
}

void put(sluice::RingProducer& producer, uint32_t length, uint32_t number) {
  std::span<std::byte> room;
  while ((room = producer.try_reserve(length)).data() == nullptr) wait_for_room(producer, length);
  put_number(room, number);
  producer.commit();
}

void produce(sluice::RingProducer& producer, uint32_t length, bool copying) {
  std::vector<std::byte> source(length);
  for (uint32_t number = 0;; ++number) {
    if (copying) {
      put_number(source, number);
      while (!producer.try_write(source)) wait_for_room(producer, length);
    } else {
      put(producer, length, number);
    }
  }
}

void produce_corked(sluice::RingProducer& producer, uint32_t length) {
  for (uint32_t number = 0;;) {
    producer.cork();
    for (uint32_t i = 0; i < kCorked; ++i) put(producer, length, number++);
    producer.uncork();
  }
}

void consume(sluice::RingConsumer& consumer, uint32_t length, bool copying, bench::Meter meter) {
  std::vector<std::byte> target(length);
  uint32_t expected = 0;
  for (uint64_t count = 0;; ++count) {
    if (count % kBatch == 0 && !meter.running(count)) return meter.report();
    auto message = consumer.peek();
    while (!message) {
      wait_for_message(consumer);
      message = consumer.peek();
    }
    uint32_t number = 0;
    if (copying) {
      std::memcpy(target.data(), message->payload.data(), message->payload.size());
      bench::keep(target);
      number = number_of(target);
    } else {
      number = number_of(message->payload);
    }
    if (number != expected++) fail("a message is not the one that was expected");
    consumer.release();
  }
}

void send(sluice::RingProducer& producer, uint32_t length, uint32_t number) {
  std::span<std::byte> room;
  while ((room = producer.try_reserve(length)).data() == nullptr) continue;
  put_number(room, number);
  producer.commit();
}

uint32_t receive(sluice::RingConsumer& consumer) {
  auto message = consumer.peek();
  while (!message) message = consumer.peek();
  const uint32_t number = number_of(message->payload);
  consumer.release();
  return number;
}

void ping(sluice::RingProducer& producer, sluice::RingConsumer& consumer, uint32_t length,
          bench::Meter meter) {
  for (uint32_t count = 0; count % 64 != 0 || meter.running(count); ++count) {
    send(producer, length, count);
    if (receive(consumer) != count) fail("an answer is not the one that was expected");
  }
  meter.report();
}

[[noreturn]] void pong(sluice::RingProducer& producer, sluice::RingConsumer& consumer,
                       uint32_t length) {
  for (;;) send(producer, length, receive(consumer));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) fail("usage: ring_peer <mode> <role> <ring> <length> <warm-up ms> <measure ms>");
  const std::string mode = argv[1];
  const bool is_producer = std::string(argv[2]) == "producer";
  const std::string names = argv[3];
  const auto length = static_cast<uint32_t>(std::stoul(argv[4]));
  const bench::Window window{std::chrono::milliseconds(std::stoul(argv[5])),
                             std::chrono::milliseconds(std::stoul(argv[6]))};
  if (mode == "ping-pong") {
    const auto comma = names.find(',');
    const auto there = sluice::Ring::open(names.substr(0, comma));
    const auto back = sluice::Ring::open(names.substr(comma + 1));
    auto producer = (is_producer ? there : back).producer();
    auto consumer = (is_producer ? back : there).consumer();
    bench::wait_for_start();
    if (!is_producer) pong(producer, consumer, length);
    ping(producer, consumer, length, bench::Meter(window));
  } else {
    const auto ring = sluice::Ring::open(names);
    const bool copying_in = mode == "copy" || mode == "copy-in";
    const bool copying_out = mode == "copy";
    if (is_producer) {
      auto producer = ring.producer();
      bench::wait_for_start();
      if (mode == "corked") produce_corked(producer, length);
      produce(producer, length, copying_in);
    } else {
      auto consumer = ring.consumer();
      bench::wait_for_start();
      consume(consumer, length, copying_out, bench::Meter(window));
    }
  }
}
