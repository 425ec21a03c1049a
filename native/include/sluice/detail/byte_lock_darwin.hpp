// Byte locks as open-file-description locks on a lock file, because macOS has none on shared
// memory.
//
// One file for each piece of memory stands in the user's private temporary directory; the bytes in
// it are those of the memory. Limits that Linux does not have:
//   - both sides must run as the same user;
//   - POSIX shared memory has no inode here, so the name is its identity: while someone still holds
//     a lock on removed memory, that byte of new memory of the same name is locked, too;
//   - memory without a name and without a file (SharedMemory::anonymous) has no locks;
//   - the system may clear the directory of files that nobody has used for days. The holder of a
//     lock keeps its file open, but that does not keep the name.
// (byte_lock.hpp includes this file at its end.)
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

namespace sluice {
namespace detail {

// Own declarations, because only newer headers have them.
inline constexpr int kOfdSetLock = 90;
inline constexpr int kOfdGetLock = 92;

inline std::string lock_file(const SharedMemory& memory) {
  const struct stat status = file_status(memory.descriptor(), memory.name());
  std::string key;
  if (status.st_ino != 0) {
    key = std::to_string(status.st_dev) + "." + std::to_string(status.st_ino);
  } else if (!memory.name().empty()) {
    key = "name." + memory.name().substr(1);
  } else {
    throw Error(error_code::kUnsupported,
                "locks on memory without a name, as the roles of a ring are, need Linux");
  }
  std::array<char, PATH_MAX> directory = {};
  // The answer's length counts its NUL byte.
  const size_t length = ::confstr(_CS_DARWIN_USER_TEMP_DIR, directory.data(), directory.size());
  if (length == 0 || length > directory.size()) {
    throw memory_error("confstr", errno, "cannot find the user's temporary directory", "");
  }
  return std::string(directory.data()) + "sluice." + key + ".lock";
}

inline FileDescriptor open_lock_file(const SharedMemory& memory) {
  const std::string path = lock_file(memory);
  FileDescriptor descriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!descriptor.valid()) {
    throw memory_error("open", errno, "cannot open the lock file of shared memory", path).of_file();
  }
  return descriptor;
}

inline struct flock write_lock(uint32_t byte) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

inline bool is_locked(const FileDescriptor& descriptor, uint32_t byte) {
  struct flock lock = write_lock(byte);
  if (::fcntl(descriptor.get(), kOfdGetLock, &lock) != 0) {
    throw memory_error("fcntl", errno, "cannot examine a lock of shared memory", "");
  }
  return lock.l_type != F_UNLCK;
}

}  // namespace detail

inline std::optional<ByteLock> ByteLock::try_acquire(const SharedMemory& memory, uint32_t byte,
                                                     const char* what) {
  FileDescriptor descriptor = detail::open_lock_file(memory);
  struct flock lock = detail::write_lock(byte);
  if (::fcntl(descriptor.get(), detail::kOfdSetLock, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return std::nullopt;
    throw detail::memory_error("fcntl", errno, std::string("cannot lock ") + what, memory.name());
  }
  return ByteLock(std::move(descriptor));
}

inline bool ByteLock::is_held_elsewhere(uint32_t byte) const {
  return detail::is_locked(descriptor_, byte);
}

inline bool ByteLock::is_held(const SharedMemory& memory, uint32_t byte) {
  return detail::is_locked(detail::open_lock_file(memory), byte);
}

}  // namespace sluice
