// Shared memory on macOS, where nothing can be sealed.
// (shared_memory_posix.hpp includes this file at its end.)
#pragma once

namespace sluice {
namespace detail {

// PSHMNAMLEN is 31 and counts the slash.
inline size_t max_name_length() {
  return 30;
}

// Nothing but shared memory can bear such a name.
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
  return 0;
}

// Sets the size and allocates every page of it.
inline void allocate(const FileDescriptor& descriptor, uint64_t size, const std::string& address) {
  if (size > static_cast<uint64_t>(std::numeric_limits<off_t>::max())) {
    throw memory_error("posix_fallocate", EFBIG, "cannot allocate shared memory", address);
  }
  // No posix_fallocate here; ftruncate reserves the pages of a POSIX shared-memory object.
  if (::ftruncate(descriptor.get(), static_cast<off_t>(size)) != 0) {
    throw memory_error("ftruncate", errno, "cannot allocate shared memory", address);
  }
}

inline bool is_sealed(const FileDescriptor&) {
  return false;
}

}  // namespace detail

inline SharedMemory SharedMemory::anonymous(uint64_t size, bool seal, bool huge_pages) {
  if (huge_pages) {
    throw Error(error_code::kUnsupported, "huge pages for shared memory need Linux");
  }
  static_cast<void>(seal);  // without memfd_create nothing can be sealed
  // A name that nobody can guess, removed at once, leaves a descriptor without a name.
  for (int attempt = 0; attempt < 16; ++attempt) {
    const std::string name =
        "/sluice." + std::to_string(::getpid()) + "." + std::to_string(::arc4random());
    try {
      SharedMemory memory = create(name, {.size = size});
      ::shm_unlink(name.c_str());
      memory.name_.clear();
      return memory;
    } catch (const Error& error) {
      if (error.number() != EEXIST) throw;
    }
  }
  throw detail::memory_error("shm_open", EEXIST, "cannot create anonymous shared memory", "");
}

}  // namespace sluice
