// The moment at which a wait ends. The longest timeout means for ever instead of overflowing.
#pragma once

#include <algorithm>
#include <chrono>

namespace sluice {

template <typename Duration>
std::chrono::steady_clock::time_point deadline_after(Duration timeout) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point now = Clock::now();
  // Compared in the caller's unit, for a coarse one can hold more than the clock's.
  const auto longest = std::chrono::duration_cast<Duration>(Clock::time_point::max() - now);
  if (timeout >= longest) return Clock::time_point::max();
  return now + std::max(timeout, Duration::zero());
}

}  // namespace sluice
