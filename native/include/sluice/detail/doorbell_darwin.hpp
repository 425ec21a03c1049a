// Doorbells over the system calls beneath libc++'s and libdispatch's waits (macOS 10.12 and later).
//
// They are not in the public headers but have been stable since; os_sync_wait_on_address, their
// public successor of macOS 14.4, makes the same calls.
// (doorbell.hpp includes this file at its end.)
#pragma once

#include <algorithm>

extern "C" int __ulock_wait(uint32_t operation, void* address, uint64_t value,
                            uint32_t timeout_microseconds);
extern "C" int __ulock_wake(uint32_t operation, void* address, uint64_t wake_value);

namespace sluice {
namespace detail {

// By the page behind the address instead of the address: the word is in shared memory.
inline constexpr uint32_t kUlockCompareAndWaitShared = 3;
inline constexpr uint32_t kUlockWakeAll = 0x100;
inline constexpr uint32_t kUlockNoErrno = 0x01000000;

}  // namespace detail

inline Doorbell::Doorbell(std::atomic<uint32_t>& word) : word_(&word) {}
inline Doorbell::Doorbell(std::atomic<uint32_t>& word, const SharedMemory&, const char*)
    : word_(&word) {}

inline void Doorbell::ring() const {
  // release: pairs with the acquire of `ticket`.
  word_->fetch_add(1, std::memory_order_release);
  ::__ulock_wake(detail::kUlockCompareAndWaitShared | detail::kUlockWakeAll | detail::kUlockNoErrno,
                 word_, 0);
}

inline void Doorbell::wait(uint32_t ticket, Timeout timeout) const {
  const auto microseconds = std::chrono::ceil<std::chrono::microseconds>(timeout).count();
  if (microseconds <= 0) return;  // 0 would mean for ever
  ::__ulock_wait(detail::kUlockCompareAndWaitShared | detail::kUlockNoErrno, word_, ticket,
                 static_cast<uint32_t>(std::min<int64_t>(microseconds, UINT32_MAX)));
}

// The system has no call to wait for several words.
inline size_t Doorbell::max_wait_any() {
  return 1;
}

inline void Doorbell::wait_any(std::span<const Waiting> waiting, Timeout timeout) {
  waiting[0].doorbell->wait(waiting[0].ticket, timeout);
}

}  // namespace sluice
