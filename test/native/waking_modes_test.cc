// Sleeping and waking between processes that pass each other's remote barriers, and processes that
// cannot and fence by themselves, in every mixture.
// SLUICE_TEST_SCALE makes the stress tests longer; see check::scaled.
//
// The parent claims nothing: a child inherits its parent's registration for the barriers, and must
// begin without it. ThreadSanitizer knows neither membarrier(2) nor fences, so what it says about
// these tests is worth no more than that the words themselves are atomic; the order of the
// registered mode is what test/model and the processor are asked for.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cstddef>
#include <cstdlib>

#include "processes.hpp"
#include "sleepers.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

enum class Mode { kRegistered, kFenced };

void choose(Mode mode) {
  if (mode == Mode::kFenced) {
    ::setenv("SLUICE_NO_MEMBARRIER", "1", 1);
  } else {
    ::unsetenv("SLUICE_NO_MEMBARRIER");
  }
}

// A claim says in its `parked` word which of the two it is.
void expect_mode(const RingWord& word, Mode mode) {
  const bool fenced = mode == Mode::kFenced || !detail::register_for_remote_barriers();
  check::equal(word.value.load(), fenced ? kFenceWanted : 0u);
}

// Nobody goes on before both have claimed: the one wake-up that a fenced side's claim can miss is
// the recheck's, which these tests do without.
class Meeting {
 public:
  void claimed() const {
    claimed_.raise();
    go_.wait();
  }
  void hold() const {
    claimed_.wait();
    claimed_.wait();
    go_.raise(2);
  }

 private:
  Signal claimed_;
  Signal go_;
};

template <typename Test>
void in_every_mixture(Test&& test) {
  for (const Mode first : {Mode::kRegistered, Mode::kFenced}) {
    for (const Mode second : {Mode::kRegistered, Mode::kFenced}) test(first, second);
  }
}

void random_pauses_lose_no_wake_up() {
  in_every_mixture([](Mode writing, Mode reading) {
    const Ring ring = Ring::anonymous(kSmall);
    const Meeting meeting;
    const uint64_t count = check::scaled(100'000);
    Child writer([&] {
      choose(writing);
      RingProducer producer = ring.producer();
      expect_mode(header(ring).producer_parked, writing);
      meeting.claimed();
      write_with_pauses(producer, count);
    });
    Child reader([&] {
      choose(reading);
      RingConsumer consumer = ring.consumer();
      expect_mode(header(ring).consumer_parked, reading);
      meeting.claimed();
      read_with_pauses(consumer, count);
    });
    meeting.hold();
    check::equal(writer.wait(), 0);
    check::equal(reader.wait(), 0);
  });
}

void a_ping_pong_of_sleepers_loses_no_wake_up() {
  in_every_mixture([](Mode asking, Mode answering) {
    const Ring there = Ring::anonymous(kSmall);
    const Ring back = Ring::anonymous(kSmall);
    const Meeting meeting;
    const uint64_t count = check::scaled(10'000);
    Child answers([&] {
      choose(answering);
      RingConsumer in = there.consumer();
      RingProducer out = back.producer();
      meeting.claimed();
      echo(in, out);
    });
    Child asks([&] {
      choose(asking);
      RingProducer out = there.producer();
      RingConsumer in = back.consumer();
      meeting.claimed();
      ask(out, in, count);
    });
    meeting.hold();
    check::equal(asks.wait(), 0);
    check::equal(answers.wait(), 0);
  });
}

// The bit says what a side is, so it outlasts its sleeps and the wake-ups of the other.
void the_wish_for_fences_stays() {
  Child child([] {
    choose(Mode::kFenced);
    const Ring ring = Ring::anonymous(kSmall);
    RingProducer producer = ring.producer();
    RingConsumer consumer = ring.consumer();
    for (int i = 0; i < 3; ++i) {
      consumer.announce(0);
      check::equal(header(ring).consumer_parked.value.load(), kFenceWanted | 1u);
      producer.wake_peer();
      check::equal(header(ring).consumer_parked.value.load(), kFenceWanted);
      producer.announce(100);
      producer.retract();
      check::equal(header(ring).producer_parked.value.load(), kFenceWanted);
    }
    const uint32_t rings = header(ring).consumer_doorbell.value;
    producer.wake_peer();  // nobody sleeps
    check::equal(header(ring).consumer_doorbell.value.load(), rings);
  });
  check::equal(child.wait(), 0);
}

// A successor of the other kind says what it is itself.
void a_claim_says_anew_what_it_is() {
  Child child([] {
    const Ring ring = Ring::anonymous(kSmall);
    for (const Mode mode : {Mode::kFenced, Mode::kRegistered, Mode::kFenced}) {
      choose(mode);
      header(ring).consumer_parked.value |= 1u;  // its predecessor died asleep
      RingConsumer consumer = ring.consumer();
      expect_mode(header(ring).consumer_parked, mode);
    }
  });
  check::equal(child.wait(), 0);
}

// A sandbox that this process closes around itself.
void refuse_membarrier() {
  std::array<sock_filter, 4> filter = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program = {.len = filter.size(), .filter = filter.data()};
  check::equal(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  check::equal(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

void a_barrier_that_is_refused_later_is_wished_for() {
  Child child([] {
    choose(Mode::kRegistered);
    const Ring ring = Ring::anonymous(kSmall);
    RingConsumer consumer = ring.consumer();
    expect_mode(header(ring).consumer_parked, Mode::kRegistered);
    refuse_membarrier();
    consumer.announce(0);
    check::equal(header(ring).consumer_parked.value.load(), kFenceWanted | 1u);
    consumer.retract();
    check::equal(header(ring).consumer_parked.value.load(), kFenceWanted);
    RingProducer producer = ring.producer();  // claimed by one that cannot register
    check::equal(header(ring).producer_parked.value.load(), kFenceWanted);
  });
  check::equal(child.wait(), 0);
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"random pauses lose no wake-up", random_pauses_lose_no_wake_up},
       {"a ping-pong of sleepers loses no wake-up", a_ping_pong_of_sleepers_loses_no_wake_up},
       {"the wish for fences stays", the_wish_for_fences_stays},
       {"a claim says anew what it is", a_claim_says_anew_what_it_is},
       {"a barrier that is refused later is wished for",
        a_barrier_that_is_refused_later_is_wished_for}},
      argc, argv);
}
