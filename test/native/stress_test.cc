// Long streams of random records between threads.
// SLUICE_TEST_SCALE makes them longer; see check::scaled.
#include <thread>

#include "numbered_stream.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

void between_threads(uint32_t capacity) {
  const Ring ring = ring_at(kNearTheWrap, capacity);
  const uint64_t count = check::scaled(300'000);
  std::thread producer([&] { produce(ring, count); });
  consume(ring, count);
  producer.join();
}

void between_threads_over_the_smallest_ring() {
  between_threads(kSmall);
}

void between_threads_over_a_large_ring() {
  between_threads(1 << 20);
}

}  // namespace

int main(int argc, char** argv) {
  return check::run(
      {{"between threads over the smallest ring", between_threads_over_the_smallest_ring},
       {"between threads over a large ring", between_threads_over_a_large_ring}},
      argc, argv);
}
