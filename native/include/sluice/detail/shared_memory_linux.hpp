// Shared memory on Linux: memfd_create(2) with seals, posix_fallocate(3).
// (shared_memory_posix.hpp includes this file at its end.)
#pragma once

#include <sys/sysinfo.h>

#include "sluice/detail/memory_limit_linux.hpp"

namespace sluice {
namespace detail {

// NAME_MAX less the slash.
inline size_t max_name_length() {
  return 254;
}

// Names are files of /dev/shm: anybody can put a FIFO there, and opening it would wait for its
// other end.
inline int open_flags() {
  return O_NONBLOCK;
}

inline bool has_directory_of_names() {
  return ::access("/dev/shm", F_OK) == 0;
}

inline bool was_removed(const struct stat& status) {
  return status.st_nlink == 0;
}

inline int populate_flag() {
  return MAP_POPULATE;
}

// Filling memory beyond the limit of a control group does not fail: the kernel kills a process of
// the group, most likely this one.
inline void require_that_limit_allows(uint64_t size, const std::string& address) {
  const auto left = memory_left();
  if (!left || size <= *left) return;
  throw Error::system("posix_fallocate", ENOMEM,
                      "cannot allocate " + std::to_string(size) + " bytes of shared memory" +
                          (address.empty() ? "" : " '" + address + "'") +
                          ": the memory limit of this process's control group (container) leaves " +
                          std::to_string(*left),
                      address);
}

// Sets the size and allocates every page of it.
inline void allocate(const FileDescriptor& descriptor, uint64_t size, const std::string& address) {
  if (size > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    throw memory_error("posix_fallocate", EFBIG, "cannot allocate shared memory", address);
  }
  require_that_limit_allows(size, address);
  int number;
  do {  // it returns the error, and EINTR when a signal comes between
    number = ::posix_fallocate(descriptor.get(), 0, static_cast<off_t>(size));
  } while (number == EINTR);
  if (number != 0) {
    throw memory_error("posix_fallocate", number,
                       "cannot allocate " + std::to_string(size) + " bytes of shared memory",
                       address);
  }
}

inline bool is_sealed(const FileDescriptor& descriptor) {
  const int seals = ::fcntl(descriptor.get(), F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

// A memfd has no file system's limit: allocating more than there is would not fail, it would let
// the kernel kill processes to find the pages.
inline void require_that_machine_has(uint64_t size) {
  struct sysinfo info = {};
  if (::sysinfo(&info) != 0) return;
  if (size / info.mem_unit > info.totalram + info.totalswap) {
    throw memory_error("posix_fallocate", ENOMEM,
                       "cannot allocate " + std::to_string(size) +
                           " bytes of anonymous shared memory, more than this machine has",
                       "");
  }
}

}  // namespace detail

inline SharedMemory SharedMemory::anonymous(uint64_t size, bool seal, bool huge_pages) {
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  if (huge_pages) {
    flags |= MFD_HUGETLB;
    constexpr uint64_t kHugePage = 2u << 20;
    size = (size + kHugePage - 1) & ~(kHugePage - 1);
  }
  FileDescriptor descriptor(::memfd_create("sluice", flags));
  if (!descriptor.valid()) {
    throw detail::memory_error("memfd_create", errno, "cannot create anonymous shared memory", "");
  }
  SharedMemory memory(std::move(descriptor), "", Access::kReadWrite);
  detail::require_that_machine_has(size);
  detail::allocate(memory.descriptor_, size, "");
  if (seal && ::fcntl(memory.descriptor_.get(), F_ADD_SEALS,
                      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    throw detail::memory_error("fcntl", errno, "cannot seal anonymous shared memory", "");
  }
  memory.map(0, size, false);
  return memory;
}

}  // namespace sluice
