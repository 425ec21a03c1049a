// Shared memory on FreeBSD 13 and later: memfd_create(3) with seals. POSIX shared memory has a name
// space of its own there, which no file system shows.
// (shared_memory_posix.hpp includes this file at its end.)
#pragma once

namespace sluice {
namespace detail {

// The limit of Linux, so that a name which is good here is good there; the system takes 1022.
inline size_t max_name_length() {
  return 254;
}

// shm_open refuses other flags than its own. Nothing but shared memory can bear such a name.
inline int open_flags() {
  return 0;
}

// Names are no files here.
inline bool has_directory_of_names() {
  return true;
}

inline bool was_removed(const struct stat&) {
  return false;
}

inline int populate_flag() {
  return MAP_PREFAULT_READ;
}

// Sets the size and reserves the swap space for every page of it.
inline void allocate(const FileDescriptor& descriptor, uint64_t size, const std::string& address) {
  if (size > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    throw memory_error("ftruncate", EFBIG, "cannot allocate shared memory", address);
  }
  if (::ftruncate(descriptor.get(), static_cast<off_t>(size)) != 0) {
    throw memory_error("ftruncate", errno, "cannot allocate shared memory", address);
  }
}

inline bool is_sealed(const FileDescriptor& descriptor) {
  const int seals = ::fcntl(descriptor.get(), F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

}  // namespace detail

inline SharedMemory SharedMemory::anonymous(uint64_t size, bool seal, bool huge_pages) {
  if (huge_pages) {
    throw Error(error_code::kUnsupported, "huge pages for shared memory need Linux");
  }
  FileDescriptor descriptor(::memfd_create("sluice", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!descriptor.valid()) {
    throw detail::memory_error("memfd_create", errno, "cannot create anonymous shared memory", "");
  }
  SharedMemory memory(std::move(descriptor), "", Access::kReadWrite);
  detail::allocate(memory.descriptor_, size, "");
  if (seal && ::fcntl(memory.descriptor_.get(), F_ADD_SEALS,
                      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    throw detail::memory_error("fcntl", errno, "cannot seal anonymous shared memory", "");
  }
  memory.map(0, size, false);
  return memory;
}

}  // namespace sluice
