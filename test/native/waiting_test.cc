// Sleeping and waking: no wake-up is lost, no wait outlasts its time, and the end wakes too.
// SLUICE_TEST_SCALE makes the stress tests longer; see check::scaled.
#include <thread>

#include "sleepers.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

using Clock = std::chrono::steady_clock;

void an_empty_ring_times_out() {
  const Ring ring = Ring::anonymous(kSmall);
  RingConsumer consumer = ring.consumer();
  check::equal(consumer.wait_for_message(0ns), WaitStatus::kNothingYet);
  check::equal(consumer.wait_for_message(-5s), WaitStatus::kNothingYet);
  check::equal(consumer.wait_for_message(std::chrono::nanoseconds::min()), WaitStatus::kNothingYet);
  const auto before = Clock::now();
  check::equal(consumer.wait_for_message(30ms), WaitStatus::kNothingYet);
  check::that(Clock::now() - before >= 30ms, "not before the time");
  check::that(!is_parked(header(ring).consumer_parked), "it is awake");
}

void a_full_ring_times_out() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  while (producer.try_write({})) {
  }
  const auto before = Clock::now();
  check::equal(producer.wait_for_room(0, 30ms), WaitStatus::kNothingYet);
  check::that(Clock::now() - before >= 30ms, "not before the time");
  check::that(!is_parked(header(ring).producer_parked), "it is awake");
}

// A sleeping side is the one whose parked word is set. It may still be on its way to the futex;
// the ticket sees to that.
void until_parked(const RingWord& word) {
  while (!is_parked(word)) std::this_thread::yield();
}

void a_message_wakes_a_consumer_that_has_no_time_limit() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  std::thread sleeper([&] {
    check::equal(consumer.wait_for_message(std::chrono::nanoseconds::max()), WaitStatus::kReady);
  });
  until_parked(header(ring).consumer_parked);
  check::that(producer.try_write(bytes_of("wake")), "room");
  sleeper.join();
  check::equal(text_of(consumer.peek()), "wake");
}

void the_doorbell_returns_at_once_when_it_has_rung_since_the_ticket() {
  const Ring ring = Ring::anonymous(kSmall);
  const Doorbell doorbell(header(ring).consumer_doorbell.value);
  const uint32_t ticket = doorbell.ticket();
  doorbell.ring();
  doorbell.wait(ticket, kLong);
  header(ring).consumer_doorbell.value = 0xffffffffu;
  doorbell.ring();
  check::equal(doorbell.ticket(), 0u);
  doorbell.wait(0xffffffffu, kLong);
}

void one_thread_waits_for_many_doorbells() {
  std::vector<std::atomic<uint32_t>> words(std::min<size_t>(Doorbell::max_wait_any(), 8));
  std::vector<Doorbell> doorbells;
  std::vector<Doorbell::Waiting> waiting;
  for (auto& word : words) doorbells.emplace_back(word);
  for (const auto& doorbell : doorbells) waiting.push_back({&doorbell, doorbell.ticket()});
  Doorbell::wait_any(waiting, 1ms);  // times out
  for (const auto& doorbell : doorbells) {
    std::thread ringer([&] { doorbell.ring(); });
    while (doorbell.ticket() == waiting[0].ticket) Doorbell::wait_any(waiting, kLong);
    ringer.join();
    for (size_t i = 0; i < waiting.size(); ++i) waiting[i].ticket = doorbells[i].ticket();
    for (auto& other : words) other = waiting[0].ticket;
    for (auto& entry : waiting) entry.ticket = waiting[0].ticket;
  }
}

void closing_wakes_the_peer() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  std::thread reader(
      [&] { check::equal(consumer.wait_for_message(kLong), WaitStatus::kPeerClosed); });
  until_parked(header(ring).consumer_parked);
  producer.close();
  reader.join();

  RingProducer next = ring.producer();
  while (next.try_write({})) {
  }
  std::thread writer([&] { check::equal(next.wait_for_room(0, kLong), WaitStatus::kPeerClosed); });
  until_parked(header(ring).producer_parked);
  consumer.close();
  writer.join();
}

// A sleeping producer is not woken for every record, but when half of the ring is free.
void a_producer_is_woken_when_half_the_ring_is_free() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  while (producer.try_write(bytes_of("12345678"))) {
  }
  check::equal(producer.look(producer.announce(24)), WaitStatus::kNothingYet);
  uint32_t released = 0;
  while (header(ring).producer_doorbell.value == 0) {
    check::that(consumer.peek().has_value(), "not later than when it is empty");
    consumer.release();
    ++released;
  }
  check::equal(released, kSmall / 2 / 16 - 1);  // one place was free
  check::that(!is_parked(header(ring).producer_parked), "it is awake");
}

// Two threads that meet at the beginning of each round, as closely as they can.
class Rounds {
 public:
  // Calls `first` in this thread while another calls `second`, then `check`.
  template <typename First, typename Second, typename Check>
  void run(uint64_t rounds, First&& first, Second&& second, Check&& check) {
    std::jthread other([&](const std::stop_token& stop) {
      Random random(1);
      for (uint64_t round = 1; round <= rounds; ++round) {
        if (!until(begun_, round, stop)) return;
        spin(random.below(kLongestSpin));
        second();
        done_.store(round, std::memory_order_release);
      }
    });
    Random random(2);
    for (uint64_t round = 1; round <= rounds; ++round) {
      begun_.store(round, std::memory_order_release);
      spin(random.below(kLongestSpin));
      first();
      until(done_, round, {});
      check();
    }
  }

 private:
  static constexpr uint32_t kLongestSpin = 400;
  static constexpr int kPatience = 2000;  // looks; then the other may need this processor

  // False when it is to stop.
  static bool until(const std::atomic<uint64_t>& word, uint64_t round,
                    const std::stop_token& stop) {
    for (int look = 0; word.load(std::memory_order_acquire) != round; ++look) {
      if (look < kPatience) {
        cpu_relax();
      } else if (stop.stop_requested()) {
        return false;
      } else {
        std::this_thread::yield();
      }
    }
    return true;
  }

  std::atomic<uint64_t> begun_{0};
  std::atomic<uint64_t> done_{0};
};

// The heart of it: one of the two sees the other, whoever was first.
void a_consumer_that_sees_no_record_is_rung() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  RingEndpoint::Sleep sleep = {};
  WaitStatus status = WaitStatus::kReady;
  Rounds().run(
      check::scaled(30'000),
      [&] {
        sleep = consumer.announce(0);
        status = consumer.look(sleep);
      },
      [&] { producer.try_write(bytes_of("12345678")); },
      [&] {
        check::that(status == WaitStatus::kReady || consumer.bell().ticket() != sleep.ticket,
                    "it saw the record, or it was rung");
        consumer.retract();
        check::equal(text_of(consumer.peek()), "12345678");
        consumer.release();
      });
}

void a_producer_that_sees_no_room_is_rung() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  const std::string half(ring.memory().max_message_length(), 'x');
  const uint32_t wanted = kSmall * 3 / 4;
  RingEndpoint::Sleep sleep = {};
  WaitStatus status = WaitStatus::kReady;
  check::that(producer.try_write(bytes_of(half)) && consumer.peek(), "one is there");
  Rounds().run(
      check::scaled(30'000),
      [&] {
        sleep = producer.announce(wanted);
        status = producer.look(sleep);
      },
      [&] { consumer.release(); },
      [&] {
        check::that(status == WaitStatus::kReady || producer.bell().ticket() != sleep.ticket,
                    "it saw the room, or it was rung");
        producer.retract();
        check::that(producer.try_write(bytes_of(half)) && consumer.peek(), "the next is there");
      });
}

void random_pauses_lose_no_wake_up() {
  const Ring ring = Ring::anonymous(kSmall);
  const uint64_t count = check::scaled(200'000);
  std::thread writer([&] {
    RingProducer producer = ring.producer();
    write_with_pauses(producer, count);
  });
  RingConsumer consumer = ring.consumer();
  read_with_pauses(consumer, count);
  writer.join();
}

void a_ping_pong_of_sleepers_loses_no_wake_up() {
  const Ring there = Ring::anonymous(kSmall);
  const Ring back = Ring::anonymous(kSmall);
  std::thread sleeper([&] {
    RingConsumer in = there.consumer();
    RingProducer out = back.producer();
    echo(in, out);
  });
  RingProducer out = there.producer();
  RingConsumer in = back.consumer();
  ask(out, in, check::scaled(20'000));
  sleeper.join();
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"an empty ring times out", an_empty_ring_times_out},
       {"a full ring times out", a_full_ring_times_out},
       {"a message wakes a consumer that has no time limit",
        a_message_wakes_a_consumer_that_has_no_time_limit},
       {"the doorbell returns at once when it has rung since the ticket",
        the_doorbell_returns_at_once_when_it_has_rung_since_the_ticket},
       {"one thread waits for many doorbells", one_thread_waits_for_many_doorbells},
       {"closing wakes the peer", closing_wakes_the_peer},
       {"a producer is woken when half the ring is free",
        a_producer_is_woken_when_half_the_ring_is_free},
       {"a consumer that sees no record is rung", a_consumer_that_sees_no_record_is_rung},
       {"a producer that sees no room is rung", a_producer_that_sees_no_room_is_rung},
       {"random pauses lose no wake-up", random_pauses_lose_no_wake_up},
       {"a ping-pong of sleepers loses no wake-up", a_ping_pong_of_sleepers_loses_no_wake_up}},
      argc, argv);
}
