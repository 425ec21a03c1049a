// On macOS and FreeBSD the lock is the one on the byte, in a file of this user's.
// (making_lock.hpp includes this file at its end.)
#pragma once

#include <optional>
#include <utility>

#include "sluice/detail/byte_lock.hpp"

namespace sluice {

class MakingLock {
 public:
  // Empty when somebody else is making the ring.
  static std::optional<MakingLock> try_acquire(const SharedMemory& memory) {
    auto lock = ByteLock::try_acquire(memory, detail::kMakingByte, "the making of the ring");
    if (!lock) return std::nullopt;
    return MakingLock(std::move(*lock));
  }
  static bool is_held(const SharedMemory& memory) {
    return ByteLock::is_held(memory, detail::kMakingByte);
  }

 private:
  explicit MakingLock(ByteLock lock) : lock_(std::move(lock)) {}

  ByteLock lock_;
};

}  // namespace sluice
