// An endpoint with a bell and a life that come from outside, in the place of doorbells in the
// ring's memory and a lock on its role.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "sleepers.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

class ConditionBell final : public Bell {
 public:
  uint32_t ticket() const override {
    const std::lock_guard lock(mutex_);
    return rings_;
  }
  void ring() const override {
    const std::lock_guard lock(mutex_);
    ++rings_;
    changed_.notify_all();
  }
  void wait(uint32_t ticket, Timeout timeout) const override {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout, [&] { return rings_ != ticket; });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable uint32_t rings_ = 0;
};

using Flag = std::shared_ptr<std::atomic<bool>>;

class FlagLife final : public Life {
 public:
  FlagLife(Flag own, Flag peer) : own_(std::move(own)), peer_(std::move(peer)) { *own_ = true; }
  bool holds() const override { return *own_; }
  void release() override { *own_ = false; }
  bool peer_lives() const override { return *peer_; }

 private:
  Flag own_;
  Flag peer_;
};

// Both ends of a ring that share these.
struct Pair {
  std::shared_ptr<const Bell> producer_bell = std::make_shared<ConditionBell>();
  std::shared_ptr<const Bell> consumer_bell = std::make_shared<ConditionBell>();
  Flag producer_lives = std::make_shared<std::atomic<bool>>(false);
  Flag consumer_lives = std::make_shared<std::atomic<bool>>(false);

  RingSurroundings producer() const {
    return {producer_bell, consumer_bell,
            std::make_unique<FlagLife>(producer_lives, consumer_lives)};
  }
  RingSurroundings consumer() const {
    return {consumer_bell, producer_bell,
            std::make_unique<FlagLife>(consumer_lives, producer_lives)};
  }
};

void they_wake_each_other_by_their_bells() {
  const Ring ring = Ring::anonymous(kSmall);
  const Pair pair;
  const uint64_t count = check::scaled(50'000);
  RingConsumer consumer(ring.memory(), pair.consumer());
  std::thread writer([&] {
    RingProducer producer(ring.memory(), pair.producer());
    write_with_pauses(producer, count);
  });
  read_with_pauses(consumer, count);
  writer.join();
  check::that(pair.consumer_bell->ticket() > 0, "it was rung");
  check::equal(header(ring).consumer_doorbell.value.load(), 0u);
  check::equal(header(ring).producer_doorbell.value.load(), 0u);
}

void a_life_that_ends_is_a_death() {
  const Ring ring = Ring::anonymous(kSmall);
  const Pair pair;
  RingConsumer consumer(ring.memory(), pair.consumer());
  {
    RingProducer producer(ring.memory(), pair.producer());
    check::that(producer.try_write(bytes_of("last")), "room");
    *pair.producer_lives = false;  // as when its connection has gone
    check::equal(text_of(consumer.peek()), "last");
    consumer.release();
    check::equal(consumer.wait_for_message(kLong), WaitStatus::kPeerDied);
  }
  RingProducer successor(ring.memory(), pair.producer());
  check::equal(consumer.wait_for_message(0ns), WaitStatus::kNothingYet);
  successor.close();
  check::equal(consumer.wait_for_message(kLong), WaitStatus::kPeerClosed);
}

void no_role_is_locked() {
  const Ring ring = Ring::anonymous(kSmall);
  const Pair pair;
  const RingProducer outside(ring.memory(), pair.producer());
  check::that(!RoleLock::is_held(ring.memory().memory(), Role::kProducer), "nobody has it");
}

}  // namespace

int main(int argc, char** argv) {
  return check::run({{"they wake each other by their bells", they_wake_each_other_by_their_bells},
                     {"a life that ends is a death", a_life_that_ends_is_a_death},
                     {"no role is locked", no_role_is_locked}},
                    argc, argv);
}
