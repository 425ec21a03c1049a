// A lock on one byte of shared memory, which the operating system drops when its holder dies,
// however it dies. It tells who is alive: nothing about life and death is taken from what shared
// memory says.
//
// The byte is a number that all sides agree on; what lies there does not matter, nor need it exist.
// The lock belongs to the object that was locked, not to a thread; no child inherits it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "sluice/detail/system_handle.hpp"
#include "sluice/shared_memory.hpp"

namespace sluice {

class ByteLock {
 public:
  // Empty when someone else, in this process or another, holds it. `what` is what errors call it.
  static std::optional<ByteLock> try_acquire(const SharedMemory& memory, uint32_t byte,
                                             const char* what = "a byte of shared memory");
  static bool is_held(const SharedMemory& memory, uint32_t byte);

  // Whether anyone but this lock's own holder has the lock on a byte of the same memory.
  bool is_held_elsewhere(uint32_t byte) const;

  void release() { descriptor_.reset(); }
  bool holds() const { return descriptor_.valid(); }

 private:
  explicit ByteLock(SystemHandle descriptor) : descriptor_(std::move(descriptor)) {}

  SystemHandle descriptor_;
#if defined(_WIN32)
  std::wstring memory_;  // the name that the names of its locks are made of
  uint32_t byte_ = 0;
#elif defined(__FreeBSD__)
  std::string files_;  // how the paths of all its lock files begin
  uint32_t byte_ = 0;
#endif
};

}  // namespace sluice

#if defined(__linux__)
#include "sluice/detail/byte_lock_linux.hpp"  // IWYU pragma: export
#elif defined(__APPLE__)
#include "sluice/detail/byte_lock_darwin.hpp"  // IWYU pragma: export
#elif defined(__FreeBSD__)
#include "sluice/detail/byte_lock_freebsd.hpp"  // IWYU pragma: export
#elif defined(_WIN32)
#include "sluice/detail/byte_lock_win.hpp"  // IWYU pragma: export
#endif
