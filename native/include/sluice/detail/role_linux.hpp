// Roles as open-file-description locks (fcntl(2), F_OFD_SETLK) on one byte of the ring's memory.
//
// Such a lock belongs to the open file description, and a descriptor that was inherited or
// received shares the sender's. Each claim therefore opens the memory anew through
// /proc/self/fd, which also works for objects that have no name (any more).
// (role.hpp includes this file at its end.)
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "sluice/ring_format.hpp"

namespace sluice {
namespace detail {

// The lock's byte is the first of the role's line in the header.
inline struct flock role_lock(Role role, short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start =
      role == Role::kProducer ? offsetof(RingHeader, producer) : offsetof(RingHeader, consumer);
  lock.l_len = 1;
  return lock;
}

inline bool role_is_locked(int descriptor, Role role) {
  struct flock lock = role_lock(role, F_WRLCK);
  if (::fcntl(descriptor, F_OFD_GETLK, &lock) != 0) {
    throw memory_error("fcntl", errno, "cannot examine the lock of a ring", "");
  }
  return lock.l_type != F_UNLCK;
}

}  // namespace detail

inline std::optional<RoleLock> RoleLock::try_acquire(const SharedMemory& memory, Role role) {
  const std::string path = "/proc/self/fd/" + std::to_string(memory.descriptor().get());
  FileDescriptor descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!descriptor.valid()) {
    throw detail::memory_error("open", errno, "cannot reopen the ring to lock a role",
                               memory.name().empty() ? path : memory.name());
  }
  struct flock lock = detail::role_lock(role, F_WRLCK);
  if (::fcntl(descriptor.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return std::nullopt;
    throw detail::memory_error("fcntl", errno, "cannot lock a role of the ring", memory.name());
  }
  return RoleLock(std::move(descriptor));
}

inline bool RoleLock::is_held_elsewhere(Role role) const {
  return detail::role_is_locked(descriptor_.get(), role);
}

inline bool RoleLock::is_held(const SharedMemory& memory, Role role) {
  return detail::role_is_locked(memory.descriptor().get(), role);
}

}  // namespace sluice
