// Roles as open-file-description locks on a lock file, because macOS has no locks on shared memory.
//
// One file for each ring stands in the user's private temporary directory; the bytes in it are the
// same as on Linux. Limits that Linux does not have:
//   - both sides must run as the same user;
//   - POSIX shared memory has no inode here, so the name is its identity: while someone still holds
//     a role of a removed ring, that role of a new ring of the same name is taken, too;
//   - a ring without a name and without a file (SharedMemory::anonymous) has no roles;
//   - the system may clear the directory of files that nobody has used for days. The holder of a
//     role keeps its file open, but that does not keep the name.
// (role.hpp includes this file at its end.)
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <string>
#include <utility>

#include "sluice/ring_format.hpp"

namespace sluice {
namespace detail {

// Own declarations, because only newer headers have them.
inline constexpr int kOfdSetLock = 90;
inline constexpr int kOfdGetLock = 92;

inline std::string role_file(const SharedMemory& memory) {
  const struct stat status = file_status(memory.descriptor(), memory.name());
  std::string key;
  if (status.st_ino != 0) {
    key = std::to_string(status.st_dev) + "." + std::to_string(status.st_ino);
  } else if (!memory.name().empty()) {
    key = "name." + memory.name().substr(1);
  } else {
    throw Error(error_code::kUnsupported, "the roles of a ring without a name need Linux");
  }
  std::array<char, PATH_MAX> directory = {};
  // The answer's length counts its NUL byte.
  const size_t length = ::confstr(_CS_DARWIN_USER_TEMP_DIR, directory.data(), directory.size());
  if (length == 0 || length > directory.size()) {
    throw memory_error("confstr", errno, "cannot find the user's temporary directory", "");
  }
  return std::string(directory.data()) + "sluice." + key + ".lock";
}

inline FileDescriptor open_role_file(const SharedMemory& memory) {
  const std::string path = role_file(memory);
  FileDescriptor descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!descriptor.valid()) {
    throw memory_error("open", errno, "cannot open the lock file of a ring", path);
  }
  return descriptor;
}

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

inline bool role_is_locked(const FileDescriptor& descriptor, Role role) {
  struct flock lock = role_lock(role, F_WRLCK);
  if (::fcntl(descriptor.get(), kOfdGetLock, &lock) != 0) {
    throw memory_error("fcntl", errno, "cannot examine the lock of a ring", "");
  }
  return lock.l_type != F_UNLCK;
}

}  // namespace detail

inline std::optional<RoleLock> RoleLock::try_acquire(const SharedMemory& memory, Role role) {
  FileDescriptor descriptor = detail::open_role_file(memory);
  struct flock lock = detail::role_lock(role, F_WRLCK);
  if (::fcntl(descriptor.get(), detail::kOfdSetLock, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return std::nullopt;
    throw detail::memory_error("fcntl", errno, "cannot lock a role of the ring", memory.name());
  }
  return RoleLock(std::move(descriptor));
}

inline bool RoleLock::is_held_elsewhere(Role role) const {
  return detail::role_is_locked(descriptor_, role);
}

inline bool RoleLock::is_held(const SharedMemory& memory, Role role) {
  return detail::role_is_locked(detail::open_role_file(memory), role);
}

}  // namespace sluice
