// SIGKILL right after each store that another process can see, one after the other: between any two
// stores of a publication or a release, the successor goes on and the account is exact.
#define SLUICE_FAILPOINTS

#include "processes.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

// The child that will die reports this of itself.
struct Ledger {
  std::atomic<uint32_t> steps_left;    // until it kills itself; 0: it lives
  std::atomic<uint32_t> visible;       // records that it has published, or released
  std::atomic<uint32_t> next_visible;  // the same when the publication under way is done
};

Ledger* ledger = nullptr;  // of the process that is to die

std::function<void()> on_named;   // called when a ring has its name, and nothing else
std::function<void()> on_marked;  // called when it has its first bytes

}  // namespace

void detail::reached_failpoint(Failpoint failpoint) {
  if (failpoint == Failpoint::kRingNamed && on_named) on_named();
  if (failpoint == Failpoint::kRingMarked && on_marked) on_marked();
  if (ledger == nullptr) return;
  if (failpoint == Failpoint::kPublished || failpoint == Failpoint::kHead) {
    ledger->visible = ledger->next_visible.load();
  }
  if (ledger->steps_left != 0 && --ledger->steps_left == 0) ::kill(::getpid(), SIGKILL);
}

namespace {

// The lengths of the records of some publications; several in one are corked.
struct Plan {
  uint32_t start;  // the positions when it begins
  std::vector<std::vector<uint32_t>> publications;
};

const std::vector<Plan>& plans() {
  static const std::vector<Plan> all = {
      {0, {{8}, {100}, {0}, {33}}},
      {0, {{8, 0, 50}, {1, 2}}},
      // Behind the first record are 8 bytes to the end, then 24 that the next does not fit into.
      {kSmall - 24, {{8}, {16}, {16}}},
      {kSmall - 24, {{100}, {8}}},
      // It wraps before the first of a batch, in the middle, before the last.
      {kSmall - 24, {{100, 8, 8}, {8}}},
      {kSmall - 64, {{8, 100, 8}, {8, 8}}},
      {kSmall - 64, {{8, 8, 100}, {8}}},
      // Exactly to the end, where the zero ahead is at the beginning of the data.
      {kSmall - 16, {{8}, {8}}},
      {kSmall - 32, {{8, 8}, {8, 8}}},
      // Over 2^32.
      {0u - 24, {{8}, {100, 7}, {8}}},
  };
  return all;
}

// A ring whose data are full of what looks like records, but for the word at the positions.
Ring ring_of_old_payload(uint32_t start) {
  Ring ring = ring_at(start);
  for (uint32_t offset = 0; offset < kSmall; offset += 4) {
    const uint32_t word = offset % 8 == 0 ? kCommitted : 0;
    std::memcpy(ring.memory().data() + offset, &word, sizeof(word));
  }
  std::memset(ring.memory().data() + start % kSmall, 0, 4);
  return ring;
}

void write_record(RingProducer& producer, uint32_t number, uint32_t length) {
  const auto room = producer.try_reserve(length, static_cast<int32_t>(number));
  check::that(room.data() != nullptr, "room");
  std::memset(room.data(), static_cast<int>(number), room.size());
  producer.commit();
}

// Writes the records of a plan from number `first` on, and counts.
void write_plan(RingProducer& producer, const Plan& plan, uint32_t first) {
  uint32_t number = 0;
  for (const auto& publication : plan.publications) {
    const auto end = number + static_cast<uint32_t>(publication.size());
    if (ledger != nullptr) ledger->next_visible = end;
    producer.cork();
    for (const uint32_t length : publication) {
      if (number >= first) write_record(producer, number, length);
      ++number;
    }
    producer.uncork();
  }
}

class Reader {
 public:
  explicit Reader(const Plan& plan) {
    for (const auto& publication : plan.publications) {
      lengths_.insert(lengths_.end(), publication.begin(), publication.end());
    }
  }

  uint32_t number() const { return number_; }
  void skip() { ++number_; }
  uint32_t total() const { return static_cast<uint32_t>(lengths_.size()); }

  void check_next(const RingConsumer::Message& message) {
    check::equal(message.type, static_cast<int32_t>(number_));
    check::equal(message.payload.size(), size_t{lengths_.at(number_)});
    for (const std::byte byte : message.payload) {
      check::equal(static_cast<uint32_t>(byte), number_ % 256);
    }
    ++number_;
  }

  void read_all(RingConsumer& consumer) {
    while (consumer.drain([&](const RingConsumer::Message& message) {
      check_next(message);
      return true;
    }) > 0) {
    }
  }

 private:
  std::vector<uint32_t> lengths_;
  uint32_t number_ = 0;
};

// Calls `round(child's ledger, steps)` for a child that dies after its first store, its second and
// so on, until it is one that lives.
template <typename Round>
void after_every_store(Round&& round) {
  bool died = true;
  for (uint32_t steps = 1; died; ++steps) {
    const Shared<Ledger> shared;
    shared->steps_left = steps;
    died = round(*shared);
    check::that(died || steps > 4, "it has some stores to die after");
  }
}

template <typename Body>
bool dies(Ledger& shared, Body&& body) {
  Child child([&] {
    ledger = &shared;
    body();
    ledger = nullptr;
  });
  const int code = child.wait();
  check::that(code == 0 || code == -SIGKILL, "it ended as it should");
  return code != 0;
}

enum class Reading { kAllAlong, kBeforeTheSuccessor, kAfterTheSuccessor };

void a_producer_may_die_after_any_store() {
  for (const Plan& plan : plans()) {
    for (const Reading reading :
         {Reading::kAllAlong, Reading::kBeforeTheSuccessor, Reading::kAfterTheSuccessor}) {
      after_every_store([&](Ledger& shared) {
        const Ring ring = ring_of_old_payload(plan.start);
        std::optional<RingConsumer> consumer;
        Reader reader(plan);
        if (reading == Reading::kAllAlong) consumer.emplace(ring.memory());
        const bool died = dies(shared, [&] {
          RingProducer producer = ring.producer();
          write_plan(producer, plan, 0);
          ledger = nullptr;  // what it does as it leaves is not under test here
          producer.abandon();
        });
        if (reading == Reading::kBeforeTheSuccessor) consumer.emplace(ring.memory());
        if (consumer) {
          reader.read_all(*consumer);
          check::equal(reader.number(), shared.visible.load());
        }
        RingProducer successor = ring.producer();
        write_plan(successor, plan, shared.visible);
        if (!consumer) consumer.emplace(ring.memory());
        reader.read_all(*consumer);
        check::equal(reader.number(), reader.total());
        check::equal(header(ring).producer.position.load(), header(ring).consumer.position.load());
        return died;
      });
    }
  }
}

void a_consumer_may_die_after_any_store() {
  for (const Plan& plan : plans()) {
    after_every_store([&](Ledger& shared) {
      const Ring ring = ring_of_old_payload(plan.start);
      RingProducer producer = ring.producer();
      write_plan(producer, plan, 0);
      Reader reader(plan);
      const bool died = dies(shared, [&] {
        RingConsumer consumer = ring.consumer();
        while (const auto message = consumer.peek()) {
          reader.check_next(*message);
          ledger->next_visible = reader.number();
          consumer.release();
        }
      });
      // The next record is the first that was not released.
      RingConsumer successor = ring.consumer();
      Reader rest(plan);
      for (uint32_t number = 0; number < shared.visible; ++number) rest.skip();
      rest.read_all(successor);
      check::equal(rest.number(), rest.total());
      check::equal(header(ring).consumer.position.load(), header(ring).producer.position.load());
      return died;
    });
  }
}

// Killed after it took the sleeper's announcement back, and before it rang.
void a_sleeper_whose_waker_dies_before_it_rings_looks_again() {
  const Plan plan{0, {{8}}};
  bool rang = false;
  for (uint32_t steps = 1; !rang; ++steps) {
    const Ring ring = Ring::anonymous(kSmall);
    const Shared<Ledger> shared;
    shared->steps_left = steps;
    const Signal go;
    Child writer([&] {
      go.wait();
      RingProducer producer = ring.producer();
      ledger = &*shared;
      while (!is_parked(header(ring).consumer_parked)) ::sched_yield();
      write_plan(producer, plan, 0);
      ::pause();
    });
    RingConsumer consumer = ring.consumer();
    go.raise();
    const WaitStatus status = consumer.wait_for_message(kLong);
    check::equal(status, shared->visible == 1 ? WaitStatus::kReady : WaitStatus::kPeerDied);
    rang = header(ring).consumer_doorbell.value != 0;
    if (rang) {
      writer.kill();
    } else {
      check::equal(writer.wait(), -SIGKILL);
    }
  }
}

// Between the name and the ring there is nothing from which the next one could not begin.
void a_creator_may_die_after_any_step() {
  after_every_store([&](Ledger& shared) {
    const TemporaryName name;
    const bool died = dies(shared, [&] { Ring::create(name.get(), uint64_t{4} * kSmall); });
    if (shared.steps_left == 0 && died) {
      const bool whole = NamedRingMaker::creation_of(name.get()) == RingCreation::kNone;
      if (!whole) {
        check::equal(NamedRingMaker::creation_of(name.get()), RingCreation::kAbandoned);
        check::throws(error_code::kTimeout, [&] { Ring::open(name.get(), 0ms); });
      }
      const Ring ring = Ring::open_or_create(name.get(), kSmall, 0600, 0ms);
      check::equal(ring.capacity(), whole ? 4 * kSmall : kSmall);
      RingProducer producer = ring.producer();
      check::that(producer.try_write({}), "room");
    }
    return died;
  });
}

// Stopped, its lock says that it lives: it is waited for, and nobody takes its place.
void a_stopped_creator_is_waited_for() {
  const TemporaryName name;
  const Signal marked;
  const Signal go;
  Child creator([&] {
    on_marked = [&] {
      marked.raise();
      go.wait();
    };
    Ring::create(name.get(), kSmall);
    ::pause();
  });
  marked.wait();
  creator.signal(SIGSTOP);
  check::equal(NamedRingMaker::creation_of(name.get()), RingCreation::kUnderWay);
  check::that(!NamedRingMaker::remove_abandoned(name.get(), {}), "it is not removed");
  check::throws(error_code::kTimeout,
                [&] { Ring::open_or_create(name.get(), uint64_t{2} * kSmall, 0600, 20ms); });
  const Signal waiting;
  Child opener([&] {
    waiting.raise();
    check::equal(Ring::open_or_create(name.get(), uint64_t{2} * kSmall, 0600, kLong).capacity(),
                 kSmall);
  });
  waiting.wait();
  go.raise();
  creator.signal(SIGCONT);
  check::equal(opener.wait(), 0);
}

// A creator that dies is replaced at once by a process that waits for it.
void a_creator_that_dies_is_replaced_by_who_waits_for_it() {
  const TemporaryName name;
  const Signal marked;
  Child creator([&] {
    on_marked = [&] {
      marked.raise();
      ::pause();
    };
    Ring::create(name.get(), kSmall);
  });
  marked.wait();
  const Signal waiting;
  Child opener([&] {
    waiting.raise();
    check::equal(Ring::open_or_create(name.get(), uint64_t{2} * kSmall, 0600, kLong).capacity(),
                 uint64_t{2} * kSmall);
  });
  waiting.wait();
  creator.kill();
  check::equal(opener.wait(), 0);
}

// It had made the name and not locked it when another one took it for dead.
void a_creator_that_comes_too_late_for_its_lock_has_lost_the_name() {
  const TemporaryName name;
  const Signal named;
  const Signal go;
  Child creator([&] {
    on_named = [&] {
      on_named = {};
      named.raise();
      go.wait();
    };
    try {
      Ring::create(name.get(), kSmall);
    } catch (const Error& error) {
      if (detail::already_exists(error)) return;
      throw;
    }
    check::fail("it made a ring");
  });
  named.wait();
  const Ring ring = Ring::open_or_create(name.get(), uint64_t{2} * kSmall, 0600, 0ms);
  go.raise();
  check::equal(creator.wait(), 0);
  check::equal(Ring::open(name.get(), 0ms).capacity(), uint64_t{2} * kSmall);
}

// No other memory is taken for a ring that is half made, however many zeros it begins with.
void memory_that_is_no_ring_is_never_made_one() {
  const TemporaryName name;
  const SharedMemory memory = SharedMemory::create(name.get(), {.size = ring_memory_size(kSmall)});
  check::throws(error_code::kTimeout, [&] { Ring::open_or_create(name.get(), kSmall, 0600, 0ms); });
  check::that(!NamedRingMaker::remove_abandoned(name.get(), {}), "it is not removed");
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"a producer may die after any store", a_producer_may_die_after_any_store},
       {"a consumer may die after any store", a_consumer_may_die_after_any_store},
       {"a sleeper whose waker dies before it rings looks again",
        a_sleeper_whose_waker_dies_before_it_rings_looks_again},
       {"a creator may die after any step", a_creator_may_die_after_any_step},
       {"a stopped creator is waited for", a_stopped_creator_is_waited_for},
       {"a creator that dies is replaced by who waits for it",
        a_creator_that_dies_is_replaced_by_who_waits_for_it},
       {"a creator that comes too late for its lock has lost the name",
        a_creator_that_comes_too_late_for_its_lock_has_lost_the_name},
       {"memory that is no ring is never made one", memory_that_is_no_ring_is_never_made_one}},
      argc, argv);
}
