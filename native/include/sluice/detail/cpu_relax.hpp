// Tells the processor that the thread is looking at memory again and again, for another to change.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace sluice {

inline void cpu_relax() {
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _mm_pause();
#elif defined(_MSC_VER) && defined(_M_ARM64)
  __yield();
#elif defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield" ::: "memory");
#endif
}

// How many of them take that long: one is 4 ns here and 60 ns there. Measured once, and at least 1.
inline uint32_t relaxations_in(std::chrono::nanoseconds duration) {
  static const double each = [] {
    using Clock = std::chrono::steady_clock;
    constexpr int kTurns = 512;
    double shortest = 1e9;
    // The shortest of some, for the thread may be interrupted.
    for (int attempt = 0; attempt < 4; ++attempt) {
      const auto begin = Clock::now();
      for (int turn = 0; turn < kTurns; ++turn) cpu_relax();
      const std::chrono::duration<double, std::nano> taken = Clock::now() - begin;
      shortest = std::min(shortest, taken.count() / kTurns);
    }
    return std::max(shortest, 0.25);
  }();
  return std::max<uint32_t>(1, static_cast<uint32_t>(static_cast<double>(duration.count()) / each));
}

}  // namespace sluice
