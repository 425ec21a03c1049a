// Byte locks as flock(2) on lock files, because FreeBSD has no locks on shared memory, and none
// that belong to an open file description but those of whole files: a file for each byte, in a
// directory of this user's in /tmp. Limits that Linux does not have:
//   - both sides must run as the same user;
//   - the system may clear /tmp of files that nobody has used for days. The holder of a lock keeps
//     its file open, but that does not keep the name;
//   - whoever takes the directory's name first can keep this user from all locks.
// (byte_lock.hpp includes this file at its end.)
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
inline std::string lock_directory() {
  const std::string path = "/tmp/sluice-" + std::to_string(::geteuid());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    throw memory_error("mkdir", errno, "cannot make the directory of the lock files", path)
        .of_file();
  }
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    throw memory_error("lstat", errno, "cannot examine the directory of the lock files", path)
        .of_file();
  }
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 077) != 0) {
    throw Error(error_code::kUntrustedOwner,
                "'" + path + "', for the lock files, is not a directory of this user alone");
  }
  return path;
}

// Shared memory has inode numbers of its own, also when it has no name.
inline std::string lock_files_of(const SharedMemory& memory) {
  const struct stat status = file_status(memory.descriptor(), memory.name());
  return lock_directory() + "/" + std::to_string(status.st_dev) + "." +
         std::to_string(status.st_ino) + ".";
}

inline FileDescriptor open_lock_file(const std::string& files, uint32_t byte) {
  const std::string path = files + std::to_string(byte);
  FileDescriptor descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!descriptor.valid()) {
    throw memory_error("open", errno, "cannot open the lock file of shared memory", path).of_file();
  }
  return descriptor;
}

// fcntl(2) sees the locks of flock(2) and can look without taking: a lock that was taken to look
// would for that moment keep others from it.
inline bool is_locked(const std::string& files, uint32_t byte) {
  const FileDescriptor descriptor = open_lock_file(files, byte);
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(descriptor.get(), F_GETLK, &lock) != 0) {
    throw memory_error("fcntl", errno, "cannot examine a lock of shared memory", "");
  }
  return lock.l_type != F_UNLCK;
}

}  // namespace detail

inline std::optional<ByteLock> ByteLock::try_acquire(const SharedMemory& memory, uint32_t byte,
                                                     const char* what) {
  std::string files = detail::lock_files_of(memory);
  FileDescriptor descriptor = detail::open_lock_file(files, byte);
  if (::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    throw detail::memory_error("flock", errno, std::string("cannot lock ") + what, memory.name());
  }
  ByteLock lock(std::move(descriptor));
  lock.files_ = std::move(files);
  lock.byte_ = byte;
  return lock;
}

// Each byte has a file of its own, and this lock is on that of one of them.
inline bool ByteLock::is_held_elsewhere(uint32_t byte) const {
  return byte != byte_ && detail::is_locked(files_, byte);
}

inline bool ByteLock::is_held(const SharedMemory& memory, uint32_t byte) {
  return detail::is_locked(detail::lock_files_of(memory), byte);
}

}  // namespace sluice
