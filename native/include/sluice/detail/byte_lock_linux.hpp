// Byte locks as open-file-description locks (fcntl(2), F_OFD_SETLK) on the memory itself.
//
// Such a lock belongs to the open file description, and a descriptor that was inherited or
// received shares the sender's. Each lock therefore opens the memory anew through
// /proc/self/fd, which also works for objects that have no name (any more).
// (byte_lock.hpp includes this file at its end.)
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
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

// Why a lock cannot be had although the memory is open: it needs an open file description of its
// own, and with it the rights of a new open.
inline Error cannot_reopen(const SharedMemory& memory, const std::string& path, const char* what,
                           int number) {
  std::string reason = describe(number);
  struct stat status = {};
  if (number == EACCES && ::fstat(memory.descriptor().get(), &status) == 0) {
    reason = "this process's user, " + std::to_string(::geteuid()) +
             ", may not open it (it belongs to user " + std::to_string(status.st_uid) +
             "); claim it before the user is changed, give the memory to the user with fchown, or "
             "use anonymous memory";
  } else if (number == ENOENT && ::access("/proc/self/fd", F_OK) != 0) {
    reason = "that needs /proc, which is not mounted here";
  }
  return Error::system("open", number,
                       std::string("cannot open the memory again to lock ") + what + ": " + reason,
                       memory.name().empty() ? path : memory.name());
}

}  // namespace detail

inline std::optional<ByteLock> ByteLock::try_acquire(const SharedMemory& memory, uint32_t byte,
                                                     const char* what) {
  const std::string path = "/proc/self/fd/" + std::to_string(memory.descriptor().get());
  FileDescriptor descriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!descriptor.valid()) {
    throw detail::cannot_reopen(memory, path, what, errno);
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
