// Doorbells over _umtx_op(2), the call beneath FreeBSD's own threads. Never the _PRIVATE
// operations: the word is in shared memory, and is found by the page behind its address.
// (doorbell.hpp includes this file at its end.)
#pragma once

#include <sys/types.h>
#include <sys/umtx.h>

#include <climits>
#include <ctime>

namespace sluice {

inline Doorbell::Doorbell(std::atomic<uint32_t>& word) : word_(&word) {}
inline Doorbell::Doorbell(std::atomic<uint32_t>& word, const SharedMemory&, const char*)
    : word_(&word) {}

inline void Doorbell::ring() const {
  // release: pairs with the acquire of `ticket`.
  word_->fetch_add(1, std::memory_order_release);
  ::_umtx_op(word_, UMTX_OP_WAKE, INT_MAX, nullptr, nullptr);
}

inline void Doorbell::wait(uint32_t ticket, Timeout timeout) const {
  constexpr int64_t kSecond = 1'000'000'000;
  // Without UMTX_ABSTIME it is relative.
  _umtx_time time = {};
  time._timeout.tv_sec = static_cast<time_t>(timeout.count() / kSecond);
  time._timeout.tv_nsec = static_cast<long>(timeout.count() % kSecond);
  time._clockid = CLOCK_MONOTONIC;
  // The fourth argument is the size of the fifth.
  ::_umtx_op(word_, UMTX_OP_WAIT_UINT, ticket, reinterpret_cast<void*>(sizeof(time)), &time);
}

// The system has no call to wait for several words.
inline size_t Doorbell::max_wait_any() {
  return 1;
}

inline void Doorbell::wait_any(std::span<const Waiting> waiting, Timeout timeout) {
  waiting[0].doorbell->wait(waiting[0].ticket, timeout);
}

}  // namespace sluice
