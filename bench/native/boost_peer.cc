// One end of boost's spsc_queue in shared memory: the best known queue of this kind in C++, for
// comparison with ours. Fixed messages of 64 bytes, of which the first four are a number.
//
//   boost_peer <mode> <role> <shared memory> <warm-up ms> <measure ms>
//
// modes: eager    who finds nothing, or no room, looks again at once
//        polite   it looks away for about 100 ns before
//
// Whoever comes first makes the shared memory, /dev/shm/<shared memory>; the consumer removes it.
#include <cstdio>

#if !__has_include(<boost/lockfree/spsc_queue.hpp>)

int main() {
  std::fputs("boost is not installed\n", stderr);
  return 1;
}

#else

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <thread>

#include "protocol.hpp"
#include "sluice/detail/cpu_relax.hpp"

namespace {

constexpr uint64_t kBatch = 1024;           // messages between two looks at the clock
constexpr size_t kPlaces = (1 << 20) / 64;  // as many bytes as the rings of the benchmark have

struct Message {
  uint32_t number;
  char rest[60];
};
using Queue = boost::lockfree::spsc_queue<Message, boost::lockfree::capacity<kPlaces> >;

struct Shared {
  std::atomic<uint32_t> ready;  // 0 until the queue has been made
  Queue queue;
};

[[noreturn]] void fail(const char* reason) {
  std::fprintf(stderr, "%s: %s\n", reason, std::strerror(errno));
  std::exit(1);
}

Shared& shared_queue(const std::string& name) {
  int descriptor = ::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  const bool first = descriptor >= 0;
  if (!first) descriptor = ::shm_open(name.c_str(), O_RDWR, 0600);
  if (descriptor < 0) fail("shm_open");
  if (first && ::ftruncate(descriptor, sizeof(Shared)) != 0) fail("ftruncate");
  // The other one may still be between making it and giving it its size.
  const auto end = bench::Clock::now() + std::chrono::seconds(5);
  while (::lseek(descriptor, 0, SEEK_END) < static_cast<off_t>(sizeof(Shared))) {
    if (bench::Clock::now() > end) fail("the queue got no size");
    std::this_thread::yield();
  }
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (memory == MAP_FAILED) fail("mmap");
  ::close(descriptor);
  auto* shared = static_cast<Shared*>(memory);
  if (first) {
    new (&shared->queue) Queue;
    shared->ready.store(1, std::memory_order_release);  // pairs with the load below
  }
  while (shared->ready.load(std::memory_order_acquire) == 0) {
    if (bench::Clock::now() > end) fail("the queue was not made");
    std::this_thread::yield();
  }
  return *shared;
}

void look_away(bool polite) {
  static const uint32_t pauses = sluice::relaxations_in(std::chrono::nanoseconds(100));
  for (uint32_t i = 0; polite && i < pauses; ++i) sluice::cpu_relax();
}

[[noreturn]] void produce(Queue& queue, bool polite) {
  Message message = {};
  for (;; ++message.number) {
    while (!queue.push(message)) look_away(polite);
  }
}

void consume(Queue& queue, bool polite, bench::Meter meter) {
  Message message = {};
  uint32_t expected = 0;
  for (uint64_t count = 0;; ++count) {
    if (count % kBatch == 0 && !meter.running(count)) return meter.report();
    while (!queue.pop(message)) look_away(polite);
    if (message.number != expected++) fail("a message is not the one that was expected");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 1;
  const bool polite = std::string(argv[1]) == "polite";
  const bool is_producer = std::string(argv[2]) == "producer";
  const std::string name = argv[3];
  const bench::Window window{std::chrono::milliseconds(std::stoul(argv[4])),
                             std::chrono::milliseconds(std::stoul(argv[5]))};
  Queue& queue = shared_queue(name).queue;
  bench::wait_for_start();
  if (is_producer) produce(queue, polite);
  ::shm_unlink(name.c_str());
  consume(queue, polite, bench::Meter(window));
}

#endif
