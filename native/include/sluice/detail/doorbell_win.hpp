// Doorbells as auto-reset events, beside the words that count the rings.
//
// An event that is set while nobody waits stays set, so a ring is never lost, and the next wait
// returns for nothing at most once. Only one thread waits for a doorbell at a time: the owner of
// its role, or who sleeps for it.
// (doorbell.hpp includes this file at its end.)
#pragma once

#include <algorithm>
#include <array>
#include <string>

#include "sluice/detail/security_win.hpp"

namespace sluice {
namespace detail {

// The name of an object that belongs to a piece of shared memory: a doorbell, a role. The memory's
// own objects are named `sluice-...`, so it cannot collide with one of those.
inline std::wstring companion_name(const std::wstring& memory, const std::string& what) {
  return L"Local\\sluice." + to_wide(what) + L"." + memory;
}

inline Handle create_event(const wchar_t* name) {
  SecurityAttributes security(private_sddl());
  Handle event(::CreateEventW(security.get(), FALSE, FALSE, name));
  if (!event.valid()) {
    throw windows_error("CreateEvent", ::GetLastError(), "cannot make or open the event",
                        name == nullptr ? "" : to_utf8(name));
  }
  return event;
}

// Rounded up: a wait that ends too soon would be repeated at once.
inline DWORD to_wait_time(std::chrono::nanoseconds timeout) {
  const auto longest = std::chrono::milliseconds(INFINITE - 1);
  const auto time = std::chrono::ceil<std::chrono::milliseconds>(
      std::clamp<std::chrono::nanoseconds>(timeout, timeout.zero(), longest));
  return static_cast<DWORD>(time.count());
}

}  // namespace detail

inline Doorbell::Doorbell(std::atomic<uint32_t>& word)
    : word_(&word), event_(detail::create_event(nullptr)) {}

inline Doorbell::Doorbell(std::atomic<uint32_t>& word, const SharedMemory& memory, const char* name)
    : word_(&word) {
  const std::wstring object = detail::object_name(memory.descriptor().get());
  const std::wstring event = detail::companion_name(object, std::string(name) + "-doorbell");
  // Memory that is no named section (a file) has no others that could be found by a name.
  event_ = detail::create_event(object.empty() ? nullptr : event.c_str());
}

inline void Doorbell::ring() const {
  // release: pairs with the acquire of `ticket`.
  word_->fetch_add(1, std::memory_order_release);
  ::SetEvent(event_.get());
}

inline void Doorbell::wait(uint32_t ticket, Timeout timeout) const {
  if (this->ticket() != ticket) return;
  ::WaitForSingleObject(event_.get(), detail::to_wait_time(timeout));
}

inline size_t Doorbell::max_wait_any() {
  return MAXIMUM_WAIT_OBJECTS;
}

inline void Doorbell::wait_any(std::span<const Waiting> waiting, Timeout timeout) {
  std::array<HANDLE, MAXIMUM_WAIT_OBJECTS> events;
  for (size_t i = 0; i < waiting.size(); ++i) {
    if (waiting[i].doorbell->ticket() != waiting[i].ticket) return;
    events[i] = waiting[i].doorbell->event_.get();
  }
  ::WaitForMultipleObjects(static_cast<DWORD>(waiting.size()), events.data(), FALSE,
                           detail::to_wait_time(timeout));
}

}  // namespace sluice
