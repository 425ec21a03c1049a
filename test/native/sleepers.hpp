// Endpoints that sleep whenever they can, and rely on being woken.
#pragma once

#include "fixtures.hpp"

namespace fixtures {

// Waits as RingEndpoint::wait does but without its recheck, which would hide a lost wake-up.
inline sluice::WaitStatus sleep_without_recheck(sluice::RingEndpoint& endpoint, uint32_t wanted) {
  using Clock = std::chrono::steady_clock;
  for (;;) {
    const sluice::RingEndpoint::Sleep sleep = endpoint.announce(wanted);
    const sluice::WaitStatus status = endpoint.look(sleep);
    if (status != sluice::WaitStatus::kNothingYet) {
      endpoint.retract();
      return status;
    }
    const auto before = Clock::now();
    endpoint.bell().wait(sleep.ticket, kLong);
    check::that(Clock::now() - before < kLong, "woken by the peer, not by the time");
  }
}

// A stream over a tiny ring with pauses of random length, so that each side falls asleep at every
// possible moment of the other.
inline void write_with_pauses(sluice::RingProducer& producer, uint64_t count) {
  Random random(1);
  for (uint64_t number = 0; number < count; ++number) {
    const NumberedRecord record(number, producer.ring().max_message_length());
    auto room = producer.try_reserve(record.length, record.type);
    while (room.data() == nullptr) {
      check::equal(sleep_without_recheck(producer, producer.needed(record.length)),
                   sluice::WaitStatus::kReady);
      room = producer.try_reserve(record.length, record.type);
    }
    record.fill(room);
    producer.commit();
    if (random.below(16) == 0) spin(random.below(2000));
  }
  producer.close();
}

inline void read_with_pauses(sluice::RingConsumer& consumer, uint64_t count) {
  using sluice::WaitStatus;
  Random random(2);
  uint64_t number = 0;
  for (;;) {
    const WaitStatus status =
        consumer.peek() ? WaitStatus::kReady : sleep_without_recheck(consumer, 0);
    if (status == WaitStatus::kPeerClosed) break;
    check::equal(status, WaitStatus::kReady);
    consumer.drain(
        [&](const sluice::RingConsumer::Message& message) {
          const NumberedRecord record(number, consumer.ring().max_message_length());
          check::that(record.matches(message), "record " + std::to_string(number));
          ++number;
          return random.below(8) != 0;
        },
        1 + random.below(32));
    if (random.below(16) == 0) spin(random.below(2000));
  }
  check::equal(number, count);
}

// A ping-pong in which each side sleeps before every single message of the other.
inline void echo(sluice::RingConsumer& in, sluice::RingProducer& out) {
  while (sleep_without_recheck(in, 0) == sluice::WaitStatus::kReady) {
    check::that(out.try_write(in.peek()->payload), "room");
    in.release();
  }
}

inline void ask(sluice::RingProducer& out, sluice::RingConsumer& in, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    check::that(out.try_write(bytes_of(std::to_string(i))), "room");
    check::equal(sleep_without_recheck(in, 0), sluice::WaitStatus::kReady);
    check::equal(text_of(in.peek()), std::to_string(i));
    in.release();
  }
  out.close();
}

}  // namespace fixtures
