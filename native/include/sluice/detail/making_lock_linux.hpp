// On Linux the lock is taken on the memory's own open file description, which nobody else has yet.
// A byte lock would open the memory anew, which needs /proc and, after a strange umask, rights that
// the object does not give before its mode is set.
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
    FileDescriptor descriptor = FileDescriptor::duplicate(memory.descriptor().get());
    struct flock lock = detail::write_lock(detail::kMakingByte);
    if (::fcntl(descriptor.get(), F_OFD_SETLK, &lock) == 0) {
      return MakingLock(std::move(descriptor));
    }
    if (errno == EAGAIN || errno == EACCES) return std::nullopt;
    throw detail::memory_error("fcntl", errno, "cannot lock the making of the ring", memory.name());
  }
  static bool is_held(const SharedMemory& memory) {
    return ByteLock::is_held(memory, detail::kMakingByte);
  }

  MakingLock(MakingLock&&) noexcept = default;
  MakingLock& operator=(MakingLock&&) = delete;
  MakingLock(const MakingLock&) = delete;
  MakingLock& operator=(const MakingLock&) = delete;
  // The memory's descriptor keeps the description, so that closing this one would not be enough.
  ~MakingLock() {
    if (!descriptor_.valid()) return;
    struct flock lock = detail::write_lock(detail::kMakingByte);
    lock.l_type = F_UNLCK;
    ::fcntl(descriptor_.get(), F_OFD_SETLK, &lock);
  }

 private:
  explicit MakingLock(FileDescriptor descriptor) : descriptor_(std::move(descriptor)) {}

  FileDescriptor descriptor_;
};

}  // namespace sluice
