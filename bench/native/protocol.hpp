// How a benchmark's child talks with its parent: it says "ready", waits for a line, and answers
// with one line of JSON.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace bench {

using Clock = std::chrono::steady_clock;

struct Window {
  Clock::duration warm_up;
  Clock::duration measure;
};

inline void wait_for_start() {
  ::alarm(60);  // a parent that was killed cannot end its children
  std::puts("ready");
  std::fflush(stdout);
  if (std::getchar() == EOF) std::exit(1);
}

// Counts events in a window of time that opens after the warm-up.
class Meter {
 public:
  explicit Meter(Window window) : window_(window), begin_(Clock::now() + window.warm_up) {}

  // True while the window has not closed. `count`: events so far.
  bool running(uint64_t count) {
    const auto now = Clock::now();
    if (!open_) {
      if (now < begin_) return true;
      open_ = true;
      begin_ = now;
      first_ = count;
      return true;
    }
    if (now - begin_ < window_.measure) return true;
    elapsed_ = now - begin_;
    count_ = count - first_;
    return false;
  }

  // Answers, and waits to be ended: a peer must not see this process go before it goes itself.
  void report() const {
    const double seconds = std::chrono::duration<double>(elapsed_).count();
    std::printf("{\"count\":%llu,\"seconds\":%.9f}\n", static_cast<unsigned long long>(count_),
                seconds);
    std::fflush(stdout);
    std::getchar();
  }

 private:
  Window window_;
  Clock::time_point begin_;
  bool open_ = false;
  uint64_t first_ = 0;
  uint64_t count_ = 0;
  Clock::duration elapsed_{};
};

// Keeps the compiler from dropping what the benchmark computes.
template <typename T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace bench
