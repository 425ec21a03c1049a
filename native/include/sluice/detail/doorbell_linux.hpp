// Doorbells as futexes (futex(2), futex_waitv(2)). Never FUTEX_PRIVATE: the word is shared.
// (doorbell.hpp includes this file at its end.)
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <ctime>

namespace sluice {
namespace detail {

// Own declarations, because the headers of older systems have neither (kernel 5.16).
inline constexpr long kFutexWaitv = 449;
inline constexpr uint32_t kFutex32 = 2;
inline constexpr size_t kFutexWaitvMax = 128;
struct FutexWaiter {
  uint64_t value;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
};

inline timespec to_timespec(std::chrono::nanoseconds duration) {
  constexpr int64_t kSecond = 1'000'000'000;
  return {.tv_sec = static_cast<time_t>(duration.count() / kSecond),
          .tv_nsec = static_cast<long>(duration.count() % kSecond)};
}

inline bool has_futex_waitv() {
  static const bool available = [] {
    if (std::getenv("SLUICE_NO_FUTEX_WAITV") != nullptr) return false;  // for the tests
    // An empty list is EINVAL where the call exists, ENOSYS (or a sandbox's EPERM) where not.
    return ::syscall(kFutexWaitv, nullptr, 0, 0, nullptr, 0) < 0 && errno == EINVAL;
  }();
  return available;
}

}  // namespace detail

inline Doorbell::Doorbell(std::atomic<uint32_t>& word) : word_(&word) {}
inline Doorbell::Doorbell(std::atomic<uint32_t>& word, const SharedMemory&, const char*)
    : word_(&word) {}

inline void Doorbell::ring() const {
  // release: pairs with the acquire of `ticket`.
  word_->fetch_add(1, std::memory_order_release);
  ::syscall(SYS_futex, word_, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

inline void Doorbell::wait(uint32_t ticket, Timeout timeout) const {
  const timespec relative = detail::to_timespec(timeout);
  ::syscall(SYS_futex, word_, FUTEX_WAIT, ticket, &relative, nullptr, 0);
}

inline size_t Doorbell::max_wait_any() {
  return detail::has_futex_waitv() ? detail::kFutexWaitvMax : 1;
}

inline void Doorbell::wait_any(std::span<const Waiting> waiting, Timeout timeout) {
  if (waiting.size() == 1) return waiting[0].doorbell->wait(waiting[0].ticket, timeout);
  std::array<detail::FutexWaiter, detail::kFutexWaitvMax> waiters;
  for (size_t i = 0; i < waiting.size(); ++i) {
    waiters[i] = {.value = waiting[i].ticket,
                  .address = reinterpret_cast<uintptr_t>(waiting[i].doorbell->word_),
                  .flags = detail::kFutex32,
                  .reserved = 0};
  }
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const timespec deadline = detail::to_timespec(std::chrono::seconds(now.tv_sec) +
                                                std::chrono::nanoseconds(now.tv_nsec) + timeout);
  ::syscall(detail::kFutexWaitv, waiters.data(), waiting.size(), 0, &deadline, CLOCK_MONOTONIC);
}

}  // namespace sluice
