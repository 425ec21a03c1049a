// Copies a chunk into the successive places of a buffer of the ring's size, and out again, as the
// two ends of a ring do.
//
//   memcpy <mode> <capacity> <length> <warm-up ms> <measure ms>
//
// modes: in         one thread copies in, nobody copies out
//        one-core   one thread copies in and out
//        two-cores  one thread copies in and another out; all they share beside the bytes is two
//                   counters
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "protocol.hpp"
#include "sluice/detail/cpu_relax.hpp"

namespace {

class Buffer {
 public:
  Buffer(size_t capacity, size_t length)
      : length_(length), places_(capacity / length), bytes_(capacity) {}

  size_t places() const { return places_; }

  void copy_in(uint64_t number, const std::vector<char>& source) {
    std::memcpy(bytes_.data() + number % places_ * length_, source.data(), length_);
    bench::keep(bytes_);
  }

  void copy_out(uint64_t number, std::vector<char>& target) const {
    std::memcpy(target.data(), bytes_.data() + number % places_ * length_, length_);
    bench::keep(target);
  }

 private:
  size_t length_;
  size_t places_;
  std::vector<char> bytes_;
};

struct alignas(128) Counter {
  std::atomic<uint64_t> value{0};
};

void two_cores(Buffer& buffer, const std::vector<char>& source, std::vector<char>& target,
               bench::Meter& meter) {
  Counter written;
  Counter read;
  std::jthread writer([&](const std::stop_token& stop) {
    for (uint64_t number = 0; !stop.stop_requested(); ++number) {
      // acquire and release: each pairs with the other thread's.
      while (number - read.value.load(std::memory_order_acquire) == buffer.places()) {
        if (stop.stop_requested()) return;
        sluice::cpu_relax();
      }
      buffer.copy_in(number, source);
      written.value.store(number + 1, std::memory_order_release);
    }
  });
  for (uint64_t count = 0; count % 64 != 0 || meter.running(count); ++count) {
    while (written.value.load(std::memory_order_acquire) == count) sluice::cpu_relax();
    buffer.copy_out(count, target);
    read.value.store(count + 1, std::memory_order_release);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 1;
  const std::string mode = argv[1];
  const auto length = std::stoul(argv[3]);
  const bench::Window window{std::chrono::milliseconds(std::stoul(argv[4])),
                             std::chrono::milliseconds(std::stoul(argv[5]))};
  Buffer buffer(std::stoul(argv[2]), length);
  std::vector<char> source(length, 'x');
  std::vector<char> target(length);
  bench::wait_for_start();
  bench::Meter meter(window);
  if (mode == "two-cores") {
    two_cores(buffer, source, target, meter);
  } else {
    for (uint64_t count = 0; count % 64 != 0 || meter.running(count); ++count) {
      buffer.copy_in(count, source);
      if (mode == "one-core") buffer.copy_out(count, target);
    }
  }
  meter.report();
}
