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

#include "sluice/detail/bell.hpp"
#include "sluice/shared_memory.hpp"

namespace sluice {

class Doorbell final : public Bell {
 public:
  struct Waiting {
    const Doorbell* doorbell;
    uint32_t ticket;
  };

  // For the threads of one process.
  explicit Doorbell(std::atomic<uint32_t>& word);
  // For whoever has `memory`, in which the word lies. The name tells its doorbells apart where
  // the system needs an object beside the word.
  Doorbell(std::atomic<uint32_t>& word, const SharedMemory& memory, const char* name);

  // acquire: what the ringer wrote before it rang is visible to who sees the new count.
  uint32_t ticket() const override { return word_->load(std::memory_order_acquire); }

  void ring() const override;
  void wait(uint32_t ticket, Timeout timeout) const override;

  // Waits for any of several; at most `max_wait_any()` of them.
  static void wait_any(std::span<const Waiting> waiting, Timeout timeout);
  static size_t max_wait_any();

 private:
  std::atomic<uint32_t>* word_;
#if defined(_WIN32)
  Handle event_;
#endif
};

}  // namespace sluice

#if defined(__linux__)
#include "sluice/detail/doorbell_linux.hpp"  // IWYU pragma: export
#elif defined(__APPLE__)
#include "sluice/detail/doorbell_darwin.hpp"  // IWYU pragma: export
#elif defined(__FreeBSD__)
#include "sluice/detail/doorbell_freebsd.hpp"  // IWYU pragma: export
#elif defined(_WIN32)
#include "sluice/detail/doorbell_win.hpp"  // IWYU pragma: export
#endif
