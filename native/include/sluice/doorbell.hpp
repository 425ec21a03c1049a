// Waking a sleeping thread of another process through a 32-bit word in shared memory.
//
// The word counts rings. A sleeper reads it (`ticket`) before it announces that it will sleep, and
// `wait` returns at once if the word has moved since: a ring between the two is never lost. Every
// return may be spurious.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {

class Doorbell {
 public:
  using Timeout = std::chrono::nanoseconds;

  struct Waiting {
    const Doorbell* doorbell;
    uint32_t ticket;
  };

  explicit Doorbell(std::atomic<uint32_t>& word) : word_(&word) {}

  // acquire: what the ringer wrote before it rang is visible to who sees the new count.
  uint32_t ticket() const { return word_->load(std::memory_order_acquire); }

  void ring() const;
  void wait(uint32_t ticket, Timeout timeout) const;

  // Waits for any of several; at most `max_wait_any()` of them.
  static void wait_any(std::span<const Waiting> waiting, Timeout timeout);
  static size_t max_wait_any();

 private:
  std::atomic<uint32_t>* word_;
};

}  // namespace sluice

#if defined(__linux__)
#include "sluice/doorbell_linux.hpp"  // IWYU pragma: export
#elif defined(__APPLE__)
#include "sluice/doorbell_darwin.hpp"  // IWYU pragma: export
#endif
