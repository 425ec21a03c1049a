// A piece of memory that other processes can map: named, anonymous (memfd), received, or a file.
//
// The object owns the mapping and, where there is one, the descriptor or handle behind it; both go
// when it is destroyed, the mapping only when nobody else has a share of it. A read-only mapping is
// copy-on-write: a store into it changes a private page and never kills the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sluice/detail/system_handle.hpp"
#include "sluice/error.hpp"

namespace sluice {

enum class Access { kReadWrite, kReadOnly };

// Whose named objects may be opened. A name in shared memory can be squatted on by any local
// user, so by default the owner must be the effective user or root.
struct Owner {
  bool any = false;
  std::optional<uint32_t> uid = {};  // this user too
  std::string sid = {};              // likewise on Windows
};

// A part of a memory or file.
struct MemoryRange {
  uint64_t offset = 0;                  // need not be aligned
  std::optional<uint64_t> length = {};  // by default to the end
};

// Thrown for an object without bytes: its creator has not sized it yet, or died before it did.
class EmptyMemory : public Error {
 public:
  explicit EmptyMemory(const std::string& message) : Error(error_code::kInvalidArgument, message) {}
};

inline Error not_sized_in_time(const std::string& name, int64_t milliseconds) {
  return {error_code::kTimeout, "shared memory '" + name + "' has got no size within " +
                                    std::to_string(milliseconds) +
                                    " ms; if its creator died on the way, remove it"};
}

class SharedMemory {
 public:
  struct CreateOptions {
    uint64_t size = 0;
    uint32_t mode = 0600;   // exactly, whatever the umask
    bool exclusive = true;  // false: an existing object of the same size is opened instead
  };
  // Allocates every page at once: a full /dev/shm is ENOSPC here, not SIGBUS later.
  static SharedMemory create(const std::string& name, const CreateOptions& options);

  static SharedMemory open(const std::string& name, Access access = Access::kReadWrite,
                           const Owner& owner = {}, const MemoryRange& range = {});

  // `seal` forbids every later change of the size, so that no holder can make another fault.
  static SharedMemory anonymous(uint64_t size, bool seal = true, bool huge_pages = false);

  // Duplicates the descriptor or handle; the caller keeps its own. `require_seals` wants
  // F_SEAL_SHRINK; on Windows nothing can shrink.
  static SharedMemory from_descriptor(SystemHandleNumber number, bool require_seals = true,
                                      Access access = Access::kReadWrite,
                                      const MemoryRange& range = {});

  struct FileOptions {
    uint64_t offset = 0;
    std::optional<uint64_t> length = {};  // by default to the end of the file
    bool read_only = false;
    bool populate = false;  // read ahead and fault in all pages now
  };
  static SharedMemory map_file(const std::string& path, const FileOptions& options);

  static void unlink(const std::string& name);

  // The canonical form ("/ticks") of a name given with or without its leading slash.
  static std::string canonical_name(const std::string& name);

  SharedMemory(SharedMemory&&) noexcept = default;
  SharedMemory& operator=(SharedMemory&&) = delete;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() = default;

  std::byte* data() const { return data_; }
  uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }  // empty unless named
  const SystemHandle& descriptor() const { return descriptor_; }
  // A share of the mapping alone: it keeps the memory mapped, but not the descriptor open.
  std::shared_ptr<const void> mapping() const { return mapping_; }
  Access access() const { return access_; }

  // Writes changes back to the file; blocks until they are on the device.
  void sync() const;

 private:
  SharedMemory(SystemHandle descriptor, std::string name, Access access)
      : descriptor_(std::move(descriptor)), name_(std::move(name)), access_(access) {}
  static SharedMemory open_existing(const std::string& name, const CreateOptions& options);
  void map(uint64_t offset, uint64_t size, bool populate);
#if !defined(_WIN32)
  friend class NamedRingMaker;  // it makes the name first and the memory later
  static SharedMemory reserve(const std::string& name);
  static SharedMemory open_unmapped(const std::string& name, Access access, const Owner& owner);
  void fill(uint64_t size, uint32_t mode);
#endif

  SystemHandle descriptor_;
  std::string name_;
  Access access_ = Access::kReadWrite;
  std::shared_ptr<std::byte> mapping_;  // page-aligned; its deleter unmaps it
  std::byte* data_ = nullptr;           // where the caller's bytes begin
  uint64_t mapping_size_ = 0;
  uint64_t size_ = 0;
};

}  // namespace sluice

#if defined(_WIN32)
#include "sluice/detail/shared_memory_win.hpp"  // IWYU pragma: export
#else
#include "sluice/detail/shared_memory_posix.hpp"  // IWYU pragma: export
#endif
