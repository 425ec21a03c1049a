// SIGKILL at random moments, again and again over one ring, with an exact account.
// SLUICE_TEST_SCALE makes the loops longer; see check::scaled.
#include "processes.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

constexpr uint32_t kNearTheWrap = 0u - (1u << 18);

// A peer whose predecessor died counts as dead until it has claimed the role, so nobody goes on
// before all have.
class Start {
 public:
  void claimed_and_ready() const {
    claimed_.raise();
    go_.wait();
  }
  void release(int processes) const {
    for (int i = 0; i < processes; ++i) claimed_.wait();
    go_.raise(processes);
  }

 private:
  Signal claimed_;
  Signal go_;
};

// The producer says what it is about to publish, and what it has published. Its killer finds the
// truth between the two.
struct ProducerLedger {
  std::atomic<uint64_t> begun;
  std::atomic<uint64_t> published;
};

void write_until_killed(const Ring& ring, ProducerLedger& ledger, uint64_t number,
                        const Start& start) {
  RingProducer producer = ring.producer();
  start.claimed_and_ready();
  Random random(number);
  for (;;) {
    uint64_t batch = random.below(4) == 0 ? 1 + random.below(8) : 1;
    ledger.begun = number + batch;
    if (batch > 1) producer.cork();
    for (; batch > 0; --batch) {
      if (!write_numbered(producer, number)) return;
      ++number;
    }
    producer.uncork();
    ledger.published = number;
  }
}

// Published messages arrive, whole and once; what was not does not; the next producer goes on.
void a_killed_producer_loses_nothing_and_invents_nothing() {
  const Ring ring = ring_at(kNearTheWrap);
  const Shared<ProducerLedger> ledger;
  RingConsumer consumer = ring.consumer();
  const uint32_t longest = ring.memory().max_message_length();
  Random random(1);
  uint64_t number = 0;
  for (uint64_t round = 0; round < check::scaled(200); ++round) {
    const Start start;
    Child producer([&] { write_until_killed(ring, *ledger, number, start); });
    start.release(1);
    const uint64_t until = number + 1 + random.below(300);
    bool killed = false;
    for (;;) {
      const WaitStatus status = consumer.wait_for_message(kLong);
      if (status == WaitStatus::kPeerDied && killed) break;
      check::equal(status, WaitStatus::kReady);
      consumer.drain([&](const RingConsumer::Message& message) {
        check::that(NumberedRecord(number, longest).matches(message), "the next record");
        ++number;
        return number < until;
      });
      if (number >= until && !std::exchange(killed, true)) {
        spin(random.below(3000));
        producer.signal(SIGKILL);
        // Reaped before the next look, which would else sleep through the death and the recheck.
        check::equal(producer.wait(), -SIGKILL);
      }
    }
    check::that(number >= ledger->published, "everything that was published has arrived");
    check::that(number <= ledger->begun, "nothing else has");
  }
}

// The consumer says which record it has handled, before it releases it.
void read_until_killed(const Ring& ring, std::atomic<uint64_t>& handled, const Start& start) {
  RingConsumer consumer = ring.consumer();
  start.claimed_and_ready();
  const uint32_t longest = ring.memory().max_message_length();
  std::optional<uint64_t> expected;
  for (;;) {
    const WaitStatus status = consumer.wait_for_message(kLong);
    if (status != WaitStatus::kReady) return;  // its end; or its death, a moment before this one
    const auto message = consumer.peek();
    // The first one may be what the predecessor had handled but not released, or the next.
    const uint64_t next = expected.value_or(handled);
    if (NumberedRecord(next, longest).matches(*message)) {
      handled = next + 1;
      expected = next + 1;
    } else {
      check::that(!expected && next > 0 && NumberedRecord(next - 1, longest).matches(*message),
                  "the next record, or the last one a second time");
      expected = next;
    }
    consumer.release();
  }
}

void a_killed_consumer_leaves_its_record_to_the_next() {
  const Ring ring = ring_at(kNearTheWrap);
  const Shared<std::atomic<uint64_t>> handled;
  RingProducer producer = ring.producer();
  Random random(2);
  uint64_t number = 0;
  for (uint64_t round = 0; round < check::scaled(200); ++round) {
    const Start start;
    Child consumer([&] { read_until_killed(ring, *handled, start); });
    start.release(1);
    // More than the ring holds, so that the consumer has surely begun.
    const uint64_t until = number + kSmall / 8 + random.below(300);
    for (; number < until; ++number) check::that(write_numbered(producer, number), "it lives");
    spin(random.below(3000));
    consumer.kill();
    // The producer learns of it when it finds no room, and the ring survives that.
    while (write_numbered(producer, number)) ++number;
    check::equal(producer.wait_for_room(producer.ring().max_message_length(), kLong),
                 WaitStatus::kPeerDied);
  }
  const Start start;
  Child last([&] { read_until_killed(ring, *handled, start); });
  start.release(1);
  producer.close();
  check::equal(last.wait(), 0);
  check::equal((*handled).load(), number);
}

// The survivor is asleep when it happens, and nobody rings.
void a_sleeping_survivor_learns_of_a_death() {
  const Ring ring = Ring::anonymous(kSmall);
  const Signal claimed;
  const auto hold = [&](auto claim) {
    return std::make_unique<Child>([&claimed, claim] {
      const auto endpoint = claim();
      claimed.raise();
      ::pause();
    });
  };
  for (uint64_t round = 0; round < check::scaled(5); ++round) {
    {
      RingConsumer consumer = ring.consumer();
      const auto producer = hold([&] { return std::make_unique<RingProducer>(ring.memory()); });
      claimed.wait();
      Child killer([&] {
        while (!is_parked(header(ring).consumer_parked)) ::sched_yield();
        producer->signal(SIGKILL);
      });
      check::equal(consumer.wait_for_message(kLong), WaitStatus::kPeerDied);
      check::equal(killer.wait(), 0);
    }
    RingProducer producer = ring.producer();
    while (producer.try_write({})) {
    }
    const auto consumer = hold([&] { return std::make_unique<RingConsumer>(ring.memory()); });
    claimed.wait();
    Child killer([&] {
      while (!is_parked(header(ring).producer_parked)) ::sched_yield();
      consumer->signal(SIGKILL);
    });
    check::equal(producer.wait_for_room(8, kLong), WaitStatus::kPeerDied);
    check::equal(killer.wait(), 0);
    producer.abandon();
    ring.consumer().drain([](const auto&) { return true; });
  }
}

void both_killed_at_once_leave_a_usable_ring() {
  const Ring ring = ring_at(kNearTheWrap);
  const Shared<ProducerLedger> ledger;
  const Shared<std::atomic<uint64_t>> handled;
  const uint32_t longest = ring.memory().max_message_length();
  Random random(3);
  uint64_t number = 0;
  for (uint64_t round = 0; round < check::scaled(100); ++round) {
    {
      const Start start;
      Child producer([&] { write_until_killed(ring, *ledger, number, start); });
      Child consumer([&] { read_until_killed(ring, *handled, start); });
      start.release(2);
      const uint64_t until = *handled + random.below(200);
      while (*handled < until) ::sched_yield();
      spin(random.below(3000));
      producer.signal(SIGKILL);
      consumer.signal(SIGKILL);
    }
    RingConsumer consumer = ring.consumer();
    number = *handled;
    bool first = true;
    consumer.drain([&](const RingConsumer::Message& message) {
      if (!NumberedRecord(number, longest).matches(message)) {
        check::that(first && number > 0, "only the first record may come again");
        check::that(NumberedRecord(--number, longest).matches(message), "the last one");
      }
      first = false;
      ++number;
      return true;
    });
    *handled = number;
    check::that(number >= ledger->published && number <= ledger->begun, "the account is exact");
  }
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"a killed producer loses nothing and invents nothing",
        a_killed_producer_loses_nothing_and_invents_nothing},
       {"a killed consumer leaves its record to the next",
        a_killed_consumer_leaves_its_record_to_the_next},
       {"a sleeping survivor learns of a death", a_sleeping_survivor_learns_of_a_death},
       {"both killed at once leave a usable ring", both_killed_at_once_leave_a_usable_ring}},
      argc, argv);
}
