// The state of the machine: the round trip of one bare cache line between two processors, with
// nothing of a ring around it. Every figure of a ring is some multiple of this.
//
//   cache_line <warm-up ms> <measure ms>
//
// Two threads, which pin themselves to the first two of the processors that they may use.
#include <sched.h>

#include <array>
#include <atomic>
#include <thread>

#include "protocol.hpp"

namespace {

struct alignas(128) Line {
  std::atomic<uint64_t> value{0};
};

// The numbers of the first two processors.
std::array<int, 2> two_processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof(allowed), &allowed);
  std::array<int, 2> found = {};
  size_t count = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && count < found.size(); ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) found[count++] = cpu;
  }
  if (count == found.size()) return found;
  std::fputs("cache_line needs two processors\n", stderr);
  std::exit(1);
}

void run_on(int cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ::sched_setaffinity(0, sizeof(one), &one);  // of the calling thread
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 1;
  const bench::Window window{std::chrono::milliseconds(std::stoul(argv[1])),
                             std::chrono::milliseconds(std::stoul(argv[2]))};
  const auto [first, second] = two_processors();
  Line line;
  bench::wait_for_start();
  // Before this thread is pinned, or that one would begin on the same processor and wait for it.
  std::jthread echo([&line, cpu = second](const std::stop_token& stop) {
    run_on(cpu);
    // Odd: there; even: back. acquire and release: each pairs with the other thread's.
    for (uint64_t expected = 1; !stop.stop_requested(); expected += 2) {
      while (line.value.load(std::memory_order_acquire) != expected) {
        if (stop.stop_requested()) return;
      }
      line.value.store(expected + 1, std::memory_order_release);
    }
  });
  run_on(first);
  bench::Meter meter(window);
  for (uint64_t count = 0; count % 64 != 0 || meter.running(count); ++count) {
    line.value.store(2 * count + 1, std::memory_order_release);
    while (line.value.load(std::memory_order_acquire) != 2 * count + 2) {
    }
  }
  meter.report();
}
