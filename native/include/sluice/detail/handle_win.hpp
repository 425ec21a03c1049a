// The move-only owner of a Windows handle.
#pragma once

#include <cstdint>
#include <utility>

#include "sluice/detail/windows_api.hpp"

namespace sluice {

class Handle {
 public:
  Handle() = default;
  // Takes what any of the calls that make handles return: nullptr and INVALID_HANDLE_VALUE own
  // nothing.
  explicit Handle(HANDLE handle) : handle_(handle == INVALID_HANDLE_VALUE ? nullptr : handle) {}
  Handle(Handle&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  // A duplicate, which no child inherits, of a handle that stays the caller's.
  static Handle duplicate(HANDLE handle) {
    const HANDLE self = ::GetCurrentProcess();
    HANDLE copy = nullptr;
    if (!::DuplicateHandle(self, handle, self, &copy, 0, FALSE, DUPLICATE_SAME_ACCESS)) {
      throw detail::windows_error("DuplicateHandle", ::GetLastError(),
                                  "cannot duplicate the handle", "");
    }
    return Handle(copy);
  }

  HANDLE get() const { return handle_; }
  bool valid() const { return handle_ != nullptr; }
  HANDLE release() { return std::exchange(handle_, nullptr); }

  // The handle as a number, of which 32 bits are significant.
  int64_t number() const { return static_cast<int64_t>(reinterpret_cast<intptr_t>(handle_)); }

  void reset() {
    if (handle_ != nullptr) ::CloseHandle(std::exchange(handle_, nullptr));
  }

 private:
  HANDLE handle_ = nullptr;
};

}  // namespace sluice
