// Byte locks as open-file-description locks (fcntl(2), F_OFD_SETLK) on the memory itself.
//
// Such a lock belongs to the open file description, and a descriptor that was inherited or
// received shares the sender's. Each lock therefore opens the memory anew through
// /proc/self/fd, which also works for objects that have no name (any more).
// (byte_lock.hpp includes this file at its end.)
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace sluice {
namespace detail {

inline struct flock write_lock(uint32_t byte) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

inline bool is_locked(int descriptor, uint32_t byte) {
  struct flock lock = write_lock(byte);
  if (::fcntl(descriptor, F_OFD_GETLK, &lock) != 0) {
    throw memory_error("fcntl", errno, "cannot examine a lock of shared memory", "");
  }
  return lock.l_type != F_UNLCK;
}

}  // namespace detail

inline std::optional<ByteLock> ByteLock::try_acquire(const SharedMemory& memory, uint32_t byte,
                                                     const char* what) {
  const std::string path = "/proc/self/fd/" + std::to_string(memory.descriptor().get());
  FileDescriptor descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!descriptor.valid()) {
    throw detail::memory_error("open", errno,
                               std::string("cannot reopen the memory to lock ") + what,
                               memory.name().empty() ? path : memory.name());
  }
  struct flock lock = detail::write_lock(byte);
  if (::fcntl(descriptor.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return std::nullopt;
    throw detail::memory_error("fcntl", errno, std::string("cannot lock ") + what, memory.name());
  }
  return ByteLock(std::move(descriptor));
}

inline bool ByteLock::is_held_elsewhere(uint32_t byte) const {
  return detail::is_locked(descriptor_.get(), byte);
}

inline bool ByteLock::is_held(const SharedMemory& memory, uint32_t byte) {
  return detail::is_locked(memory.descriptor().get(), byte);
}

}  // namespace sluice
