// Shared memory over shm_open(3), memfd_create(2) and mmap(2).
// (shared_memory.hpp includes this file at its end.)
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "sluice/detail/unmapped_id.hpp"

namespace sluice {
namespace detail {

// These differ between the systems: shared_memory_{linux,darwin,freebsd}.hpp.
size_t max_name_length();
int open_flags();
int populate_flag();
void allocate(const FileDescriptor& descriptor, uint64_t size, const std::string& address);
bool is_sealed(const FileDescriptor& descriptor);
bool has_directory_of_names();
bool was_removed(const struct stat& status);  // false where the system does not tell

inline bool already_exists(const Error& error) {
  return error.number() == EEXIST;
}
inline bool not_found(const Error& error) {
  return error.number() == ENOENT;
}

inline std::string describe(int number) {
  return std::generic_category().message(number);
}

inline Error memory_error(const char* syscall, int number, const std::string& attempt,
                          const std::string& address) {
  std::string message =
      attempt + (address.empty() ? "" : " '" + address + "'") + ": " + describe(number);
  if (number == ENOSPC && !address.empty()) message += " (is /dev/shm full?)";
  if (number == ENOENT && std::string_view(syscall) == "shm_open" && !has_directory_of_names()) {
    message += " (there is no /dev/shm, where named memory lives; mount a tmpfs there)";
  }
  return Error::system(syscall, number, message, address);
}

inline struct stat file_status(const FileDescriptor& descriptor, const std::string& address) {
  struct stat status = {};
  if (::fstat(descriptor.get(), &status) != 0) {
    throw memory_error("fstat", errno, "cannot examine shared memory", address);
  }
  return status;
}

inline void check_owner(const struct stat& status, const Owner& owner, const std::string& name) {
  const bool unknown = is_unmapped_user(status.st_uid);
  const bool trusted =
      owner.any || status.st_uid == 0 ||
      (!unknown && (status.st_uid == ::geteuid() || (owner.uid && *owner.uid == status.st_uid)));
  if (trusted) return;
  if (unknown) {
    throw Error(error_code::kUntrustedOwner,
                "shared memory '" + name + "' belongs to user " + std::to_string(status.st_uid) +
                    ", which in this user namespace is everybody who is not mapped into it; pass "
                    "owner: 'any' to accept it");
  }
  throw Error(error_code::kUntrustedOwner,
              "shared memory '" + name + "' belongs to user " + std::to_string(status.st_uid) +
                  ", who is neither the current user nor root; pass the owner option to accept it");
}

// The length of what is to be mapped; 0 when there is nothing at all, which `map` says. Pages
// beyond the end of a file would be SIGBUS when touched.
inline uint64_t length_within(const struct stat& status, const MemoryRange& range,
                              const std::string& subject) {
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size == 0 && range.offset == 0) return 0;
  if (range.offset < size && range.length.value_or(1) <= size - range.offset) {
    return range.length.value_or(size - range.offset);
  }
  throw Error(error_code::kInvalidArgument, "the range to map lies outside of " + subject +
                                                ", which has " + std::to_string(size) + " bytes");
}

// Removes a name that was just created when its creation fails further on.
class UnlinkOnFailure {
 public:
  explicit UnlinkOnFailure(const std::string& name) : name_(name) {}
  UnlinkOnFailure(const UnlinkOnFailure&) = delete;
  UnlinkOnFailure& operator=(const UnlinkOnFailure&) = delete;
  ~UnlinkOnFailure() {
    if (armed_) ::shm_unlink(name_.c_str());
  }
  void disarm() { armed_ = false; }

 private:
  const std::string& name_;
  bool armed_ = true;
};

}  // namespace detail

inline std::string SharedMemory::canonical_name(const std::string& name) {
  const std::string bare = name.starts_with('/') ? name.substr(1) : name;
  const char* problem = nullptr;
  if (bare.empty()) {
    problem = "is empty";
  } else if (bare.find('\0') != std::string::npos) {
    problem = "contains a NUL byte";
  } else if (bare.find('/') != std::string::npos) {
    problem = "contains a slash after the first character";
  } else if (bare == "." || bare == "..") {
    problem = "is a directory's name";
  } else if (bare.size() > detail::max_name_length()) {
    problem = "is too long";
  }
  if (problem != nullptr) {
    throw Error(error_code::kInvalidArgument,
                "the name of a shared-memory object " + std::string(problem) + " (" +
                    std::to_string(bare.size()) + " bytes; allowed are 1 to " +
                    std::to_string(detail::max_name_length()) +
                    " bytes without a slash, after an optional leading one)");
  }
  return "/" + bare;
}

inline SharedMemory SharedMemory::create(const std::string& given, const CreateOptions& options) {
  const std::string name = canonical_name(given);
  try {
    // Exclusively first in either case, so that it is known who made the object.
    SharedMemory memory = reserve(name);
    detail::UnlinkOnFailure guard(name);
    memory.fill(options.size, options.mode);
    guard.disarm();
    return memory;
  } catch (const Error& error) {
    if (!detail::already_exists(error) || options.exclusive) throw;
  }
  return open_existing(name, options);
}

// The name alone: the object behind it has no bytes yet.
inline SharedMemory SharedMemory::reserve(const std::string& name) {
  FileDescriptor descriptor(::shm_open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600));
  if (!descriptor.valid()) {
    throw detail::memory_error("shm_open", errno, "cannot create shared memory", name);
  }
  return {std::move(descriptor), name, Access::kReadWrite};
}

// The bytes, all of them, and the mode.
inline void SharedMemory::fill(uint64_t size, uint32_t mode) {
  detail::allocate(descriptor_, size, name_);
  map(0, size, false);
  // Last, for it may let others in, and because the umask took part in the mode of shm_open.
  if (::fchmod(descriptor_.get(), static_cast<mode_t>(mode)) != 0) {
    throw detail::memory_error("fchmod", errno, "cannot set the mode of shared memory", name_);
  }
}

// The other who made the name may be about to allocate it, or may have removed it again.
inline SharedMemory SharedMemory::open_existing(const std::string& name,
                                                const CreateOptions& options) {
  constexpr int kMilliseconds = 1000;
  for (int waited = 0;; ++waited) {
    try {
      SharedMemory existing = open(name);
      if (existing.size() == options.size) return existing;
      throw Error(error_code::kInvalidArgument, "shared memory '" + name + "' exists with " +
                                                    std::to_string(existing.size()) +
                                                    " bytes, not " + std::to_string(options.size));
    } catch (const EmptyMemory&) {
      if (waited == kMilliseconds) throw not_sized_in_time(name, kMilliseconds);
    } catch (const Error& error) {
      if (error.number() != ENOENT) throw;
      return create(name, options);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

inline SharedMemory SharedMemory::open(const std::string& given, Access access, const Owner& owner,
                                       const MemoryRange& range) {
  const std::string name = canonical_name(given);
  SharedMemory memory = open_unmapped(name, access, owner);
  const struct stat status = detail::file_status(memory.descriptor_, name);
  memory.map(range.offset, detail::length_within(status, range, "'" + name + "'"), false);
  return memory;
}

inline SharedMemory SharedMemory::open_unmapped(const std::string& name, Access access,
                                                const Owner& owner) {
  const int flags = (access == Access::kReadOnly ? O_RDONLY : O_RDWR) | detail::open_flags();
  FileDescriptor descriptor(::shm_open(name.c_str(), flags, 0));
  if (!descriptor.valid()) {
    throw detail::memory_error("shm_open", errno, "cannot open shared memory", name);
  }
  const struct stat status = detail::file_status(descriptor, name);
  detail::check_owner(status, owner, name);
  if (!S_ISREG(status.st_mode)) {
    throw Error(error_code::kInvalidArgument, "'" + name + "' is not shared memory");
  }
  return {std::move(descriptor), name, access};
}

inline SharedMemory SharedMemory::from_descriptor(int fd, bool require_seals, Access access,
                                                  const MemoryRange& range) {
  FileDescriptor descriptor = FileDescriptor::duplicate(fd);
  const struct stat status = detail::file_status(descriptor, "");
  if (!S_ISREG(status.st_mode)) {
    throw Error(error_code::kInvalidArgument, "the file descriptor " + std::to_string(fd) +
                                                  " is neither shared memory nor a regular file");
  }
  if (require_seals && !detail::is_sealed(descriptor)) {
    throw Error(error_code::kUnsealed,
                "the memory behind file descriptor " + std::to_string(fd) +
                    " is not sealed against shrinking, so its other holders could make this "
                    "process fault; pass requireSeals: false if you trust them");
  }
  SharedMemory memory(std::move(descriptor), "", access);
  const uint64_t length = detail::length_within(
      status, range, "the memory behind file descriptor " + std::to_string(fd));
  memory.map(range.offset, length, false);
  return memory;
}

inline SharedMemory SharedMemory::map_file(const std::string& path, const FileOptions& options) {
  if (path.find('\0') != std::string::npos) {
    throw Error(error_code::kInvalidArgument, "the path contains a NUL byte");
  }
  // O_NONBLOCK: a FIFO in the file's place must not make this wait.
  const int flags = (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;
  FileDescriptor descriptor(::open(path.c_str(), flags));
  if (!descriptor.valid()) {
    throw detail::memory_error("open", errno, "cannot map the file", path).of_file();
  }
  const struct stat status = detail::file_status(descriptor, path);
  if (!S_ISREG(status.st_mode)) {
    throw Error(error_code::kInvalidArgument, "'" + path + "' is not a regular file");
  }
  const uint64_t length = detail::length_within(
      status, {.offset = options.offset, .length = options.length}, "'" + path + "'");
  SharedMemory memory(std::move(descriptor), "",
                      options.read_only ? Access::kReadOnly : Access::kReadWrite);
  memory.map(options.offset, length, options.populate);
  return memory;
}

inline void SharedMemory::unlink(const std::string& given) {
  const std::string name = canonical_name(given);
  if (::shm_unlink(name.c_str()) != 0) {
    throw detail::memory_error("shm_unlink", errno, "cannot remove shared memory", name);
  }
}

inline void SharedMemory::map(uint64_t offset, uint64_t size, bool populate) {
  if (size == 0) {
    throw EmptyMemory("shared memory" + (name_.empty() ? "" : " '" + name_ + "'") +
                      " has no bytes (or its creator has not sized it yet)");
  }
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  const uint64_t slack = offset % page;
  // Copy-on-write for readers: a stray store lands in a private page instead of SIGSEGV.
  const int flags = (access_ == Access::kReadOnly ? MAP_PRIVATE : MAP_SHARED) |
                    (populate ? detail::populate_flag() : 0);
  void* address = ::mmap(nullptr, size + slack, PROT_READ | PROT_WRITE, flags, descriptor_.get(),
                         static_cast<off_t>(offset - slack));
  if (address == MAP_FAILED) {
    throw detail::memory_error("mmap", errno, "cannot map shared memory", name_);
  }
  mapping_size_ = size + slack;
  mapping_ = std::shared_ptr<std::byte>(
      static_cast<std::byte*>(address),
      [length = mapping_size_](std::byte* start) { ::munmap(start, length); });
  data_ = mapping_.get() + slack;
  size_ = size;
}

inline void SharedMemory::sync() const {
  if (::msync(mapping_.get(), mapping_size_, MS_SYNC) != 0) {
    throw detail::memory_error("msync", errno, "cannot write the mapping back", name_);
  }
}

}  // namespace sluice

#if defined(__linux__)
#include "sluice/detail/shared_memory_linux.hpp"  // IWYU pragma: export
#elif defined(__APPLE__)
#include "sluice/detail/shared_memory_darwin.hpp"  // IWYU pragma: export
#elif defined(__FreeBSD__)
#include "sluice/detail/shared_memory_freebsd.hpp"  // IWYU pragma: export
#endif
