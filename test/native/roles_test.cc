// Claims of the two roles: which process may be the producer and which the consumer, and how the
// system knows that one is gone.
#include "processes.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

void a_role_has_one_holder() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  RingConsumer consumer = ring.consumer();
  for (const auto& claim :
       {std::function([&] { ring.producer(); }), std::function([&] { ring.consumer(); })}) {
    const Error error = check::throws(error_code::kRoleTaken, claim);
    check::equal(error.pid().value_or(0), static_cast<uint32_t>(::getpid()));
  }
  producer.close();
  consumer.abandon();
  RingConsumer next_consumer = ring.consumer();
  next_consumer.wait_for_message(kLong);  // sees the end, so that another stream may begin
  RingProducer next_producer = ring.producer();
}

void a_role_taken_by_another_process_names_it() {
  const TemporaryName name;
  const Ring ring = Ring::create(name.get(), kSmall);
  const Signal claimed;
  const Signal leave;
  Child child([&] {
    RingProducer producer = Ring::open(name.get()).producer();
    claimed.raise();
    leave.wait();
  });
  claimed.wait();
  const Error error = check::throws(error_code::kRoleTaken, [&] { ring.producer(); });
  check::equal(error.pid().value_or(0), static_cast<uint32_t>(child.pid()));
  leave.raise();
  check::equal(child.wait(), 0);
  ring.producer();
}

// The child's end of a ring that it inherited, not opened: the open file description is the same.
void an_inherited_descriptor_shares_no_role() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  const int descriptor = ring.memory().memory().descriptor().get();
  Child child([&] {
    const Ring inherited = Ring::from_descriptor(descriptor);
    check::throws(error_code::kRoleTaken, [&] { inherited.producer(); });
    RingConsumer consumer = inherited.consumer();
  });
  check::equal(child.wait(), 0);
  RingConsumer consumer = ring.consumer();
  // And a second mapping in the same process is someone else, too.
  const Ring again = Ring::from_descriptor(descriptor);
  check::throws(error_code::kRoleTaken, [&] { again.consumer(); });
}

void a_killed_holder_frees_its_role_at_once() {
  const Ring ring = Ring::anonymous(kSmall);
  for (uint64_t round = 0; round < check::scaled(50); ++round) {
    const Signal claimed;
    Child child([&] {
      const Ring own = Ring::from_descriptor(ring.memory().memory().descriptor().get());
      RingConsumer consumer = own.consumer();
      RingProducer producer = own.producer();
      claimed.raise();
      ::pause();
    });
    claimed.wait();
    check::throws(error_code::kRoleTaken, [&] { ring.consumer(); });
    child.kill();
    RingConsumer consumer = ring.consumer();
    RingProducer producer = ring.producer();
  }
}

void a_stopped_process_is_not_dead() {
  const Ring ring = Ring::anonymous(kSmall);
  RingConsumer consumer = ring.consumer();
  const Signal claimed;
  Child child([&] {
    RingProducer producer = ring.producer();
    claimed.raise();
    ::pause();
  });
  claimed.wait();
  child.signal(SIGSTOP);
  int status = 0;
  check::equal(::waitpid(child.pid(), &status, WUNTRACED), child.pid());
  check::that(WIFSTOPPED(status), "it has stopped");
  check::equal(consumer.wait_for_message(300ms), WaitStatus::kNothingYet);
  check::throws(error_code::kRoleTaken, [&] { ring.producer(); });
  child.kill();
  check::equal(consumer.wait_for_message(kLong), WaitStatus::kPeerDied);
}

// Several processes wait for the same death; one takes over, the others are told who did.
void exactly_one_contender_takes_over() {
  constexpr int kContenders = 6;
  for (uint64_t round = 0; round < check::scaled(30); ++round) {
    const TemporaryName name;
    const Ring ring = Ring::create(name.get(), kSmall);
    const Signal claimed;
    const Signal go;
    const Signal tried;
    const Signal leave;
    struct Account {
      std::atomic<int> winners;
      std::atomic<int> losers;
      std::atomic<uint32_t> pid;
    };
    const Shared<Account> account;
    Child holder([&] {
      RingProducer producer = Ring::open(name.get()).producer();
      claimed.raise();
      ::pause();
    });
    claimed.wait();
    std::vector<std::unique_ptr<Child>> contenders;
    for (int i = 0; i < kContenders; ++i) {
      contenders.push_back(std::make_unique<Child>([&] {
        const Ring own = Ring::open(name.get());
        go.wait();
        try {
          RingProducer producer = own.producer();
          ++account->winners;
          account->pid = static_cast<uint32_t>(::getpid());
          tried.raise();
          leave.wait();
        } catch (const Error& error) {
          check::equal(std::string(error.code()), error_code::kRoleTaken);
          ++account->losers;
          tried.raise();
          leave.wait();
        }
      }));
    }
    holder.kill();
    go.raise(kContenders);
    for (int i = 0; i < kContenders; ++i) tried.wait();
    check::equal(account->winners.load(), 1);
    check::equal(account->losers.load(), kContenders - 1);
    const Error error = check::throws(error_code::kRoleTaken, [&] { ring.producer(); });
    check::equal(error.pid().value_or(0), account->pid.load());
    leave.raise(kContenders);
    for (const auto& contender : contenders) check::equal(contender->wait(), 0);
  }
}

// A producer out of room, while consumers come and go as fast as they can, each closing properly.
void a_change_of_consumers_is_no_death() {
  const Ring ring = Ring::anonymous(kSmall);
  RingProducer producer = ring.producer();
  while (producer.try_write({})) {
  }
  const Signal claimed;
  const Shared<std::atomic<bool>> stop;
  Child child([&] {
    bool first = true;
    while (!*stop) {
      RingConsumer consumer = ring.consumer();
      if (std::exchange(first, false)) claimed.raise();
      consumer.close();
    }
  });
  claimed.wait();
  for (uint64_t i = 0; i < check::scaled(20'000'000); ++i) {
    const WaitStatus status = producer.look(producer.announce(16));
    check::that(status == WaitStatus::kNothingYet || status == WaitStatus::kPeerClosed,
                "status " + std::to_string(static_cast<uint32_t>(status)));
  }
  *stop = true;
  check::equal(child.wait(), 0);
}

void the_locks_can_be_asked_about() {
  const Ring ring = Ring::anonymous(kSmall);
  const SharedMemory& memory = ring.memory().memory();
  check::that(!RoleLock::is_held(memory, Role::kProducer), "nobody has it");
  RingProducer producer = ring.producer();
  check::that(RoleLock::is_held(memory, Role::kProducer), "the producer has it");
  check::that(!RoleLock::is_held(memory, Role::kConsumer), "nobody has it");
  producer.abandon();
  check::that(!RoleLock::is_held(memory, Role::kProducer), "nobody has it any more");
}

// Roles of memory that is no ring, at a place where none has a role, and behind the end.
void any_byte_of_any_memory_can_be_locked() {
  constexpr uint32_t kBehindTheEnd = 1u << 20;
  const SharedMemory memory = SharedMemory::anonymous(4096);
  auto lock = ByteLock::try_acquire(memory, 7);
  check::that(lock.has_value(), "nobody has it");
  check::that(!ByteLock::try_acquire(memory, 7).has_value(), "it is taken");
  check::that(!lock->is_held_elsewhere(7), "this is its holder");
  check::that(!lock->is_held_elsewhere(8), "the next byte is free");

  const Signal locked;
  Child child([&] {
    const auto other = ByteLock::try_acquire(memory, kBehindTheEnd);
    check::that(other.has_value() && other->is_held_elsewhere(7), "two holders");
    locked.raise();
    ::pause();
  });
  locked.wait();
  check::that(lock->is_held_elsewhere(kBehindTheEnd), "the child has it");
  child.kill();
  check::that(!lock->is_held_elsewhere(kBehindTheEnd), "it went with the child");
  lock->release();
  check::that(!ByteLock::is_held(memory, 7), "nobody has it any more");
}

void open_or_create_makes_one_ring_of_many_attempts() {
  for (uint64_t round = 0; round < check::scaled(30); ++round) {
    const TemporaryName name;
    const Signal go;
    const Shared<std::atomic<int>> producers;
    std::vector<std::unique_ptr<Child>> children;
    const Signal tried;
    const Signal leave;
    for (int i = 0; i < 4; ++i) {
      children.push_back(std::make_unique<Child>([&] {
        go.wait();
        const Ring ring = Ring::open_or_create(name.get(), kSmall);
        std::optional<RingProducer> producer;
        try {
          producer.emplace(ring.memory());
          ++*producers;
        } catch (const Error& error) {
          check::equal(std::string(error.code()), error_code::kRoleTaken);
        }
        tried.raise();
        leave.wait();
      }));
    }
    go.raise(4);
    for (int i = 0; i < 4; ++i) tried.wait();
    check::equal((*producers).load(), 1);
    leave.raise(4);
    for (const auto& child : children) check::equal(child->wait(), 0);
  }
}

void a_creator_that_never_finishes_is_a_timeout() {
  const TemporaryName sized;
  const SharedMemory memory = SharedMemory::create(sized.get(), {.size = ring_memory_size(kSmall)});
  check::throws(error_code::kTimeout, [&] { Ring::open(sized.get(), 20ms); });
  const TemporaryName empty;
  const FileDescriptor descriptor(::shm_open(empty.get().c_str(), O_RDWR | O_CREAT, 0600));
  check::throws(error_code::kTimeout, [&] { Ring::open(empty.get(), 20ms); });
}

void a_creator_that_finishes_late_is_waited_for() {
  const TemporaryName name;
  auto memory = std::make_shared<SharedMemory>(
      SharedMemory::create(name.get(), {.size = ring_memory_size(kSmall)}));
  const Signal started;
  Child child([&] {
    started.raise();
    Ring::open(name.get(), RingMemory::Timeout::max());
  });
  started.wait();
  RingMemory::initialise(memory, kSmall);
  check::equal(child.wait(), 0);
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"a role has one holder", a_role_has_one_holder},
       {"a role taken by another process names it", a_role_taken_by_another_process_names_it},
       {"an inherited descriptor shares no role", an_inherited_descriptor_shares_no_role},
       {"a killed holder frees its role at once", a_killed_holder_frees_its_role_at_once},
       {"a stopped process is not dead", a_stopped_process_is_not_dead},
       {"exactly one contender takes over", exactly_one_contender_takes_over},
       {"a change of consumers is no death", a_change_of_consumers_is_no_death},
       {"the locks can be asked about", the_locks_can_be_asked_about},
       {"any byte of any memory can be locked", any_byte_of_any_memory_can_be_locked},
       {"open_or_create makes one ring of many attempts",
        open_or_create_makes_one_ring_of_many_attempts},
       {"a creator that never finishes is a timeout", a_creator_that_never_finishes_is_a_timeout},
       {"a creator that finishes late is waited for", a_creator_that_finishes_late_is_waited_for}},
      argc, argv);
}
