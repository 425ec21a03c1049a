// Roles as flock(2) on lock files, because FreeBSD has no locks on shared memory, and none that
// belong to an open file description but those of whole files: two files for each ring, in a
// directory of this user's in /tmp. Limits that Linux does not have:
//   - both sides must run as the same user;
//   - the system may clear /tmp of files that nobody has used for days. The holder of a role keeps
//     its file open, but that does not keep the name;
//   - whoever takes the directory's name first can keep this user from all roles.
// (role.hpp includes this file at its end.)
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

namespace sluice {
namespace detail {

// Makes it if need be. It is trusted only if nobody else can put anything in it.
inline std::string role_directory() {
  const std::string path = "/tmp/sluice-" + std::to_string(::geteuid());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    throw memory_error("mkdir", errno, "cannot make the directory of the lock files", path);
  }
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    throw memory_error("lstat", errno, "cannot examine the directory of the lock files", path);
  }
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0) {
    throw Error(error_code::kUntrustedOwner,
                "'" + path + "', for the lock files, is not a directory of this user alone");
  }
  return path;
}

// Shared memory has inode numbers of its own, also when it has no name.
inline std::string role_files_of(const SharedMemory& memory) {
  const struct stat status = file_status(memory.descriptor(), memory.name());
  return role_directory() + "/" + std::to_string(status.st_dev) + "." +
         std::to_string(status.st_ino) + ".";
}

inline FileDescriptor open_role_file(const std::string& files, Role role) {
  const std::string path = files + name_of(role);
  FileDescriptor descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!descriptor.valid()) {
    throw memory_error("open", errno, "cannot open the lock file of a ring", path);
  }
  return descriptor;
}

// fcntl(2) sees the locks of flock(2) and can look without taking: a lock that was taken to look
// would for that moment keep others from the role.
inline bool role_is_locked(const std::string& files, Role role) {
  const FileDescriptor descriptor = open_role_file(files, role);
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(descriptor.get(), F_GETLK, &lock) != 0) {
    throw memory_error("fcntl", errno, "cannot examine the lock of a ring", "");
  }
  return lock.l_type != F_UNLCK;
}

}  // namespace detail

inline std::optional<RoleLock> RoleLock::try_acquire(const SharedMemory& memory, Role role) {
  std::string files = detail::role_files_of(memory);
  FileDescriptor descriptor = detail::open_role_file(files, role);
  if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    throw detail::memory_error("flock", errno, "cannot lock a role of the ring", memory.name());
  }
  RoleLock lock(std::move(descriptor));
  lock.files_ = std::move(files);
  lock.role_ = role;
  return lock;
}

// Each role has a file of its own, and this lock is on that of one of them.
inline bool RoleLock::is_held_elsewhere(Role role) const {
  return role != role_ && detail::role_is_locked(files_, role);
}

inline bool RoleLock::is_held(const SharedMemory& memory, Role role) {
  return detail::role_is_locked(detail::role_files_of(memory), role);
}

}  // namespace sluice
