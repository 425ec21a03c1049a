// Shared memory over CreateFileMapping and MapViewOfFile.
//
// A named object is the section `Local\sluice-NAME` of the session. It lives as long as somebody
// has it open: nothing is left behind by a crash, and there is no name to remove. Its size is a
// whole number of pages.
// (shared_memory.hpp includes this file at its end.)
#pragma once

#include <algorithm>
#include <random>
#include <utility>

#include "sluice/detail/ntdll_win.hpp"
#include "sluice/detail/security_win.hpp"

namespace sluice {
namespace detail {

inline constexpr size_t kMaxNameLength = 200;  // with what is put before it, less than MAX_PATH
inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kAllocationGranularity = 65536;
inline constexpr const wchar_t* kObjectPrefix = L"sluice-";
// Not the prefix of names, so that memory without one cannot be opened or listed by name.
inline constexpr const wchar_t* kAnonymousObject = L"Local\\sluice.anonymous";

inline bool already_exists(const Error& error) {
  return error.number() == ERROR_ALREADY_EXISTS;
}
inline bool not_found(const Error& error) {
  return error.number() == ERROR_FILE_NOT_FOUND;
}

inline Error memory_error(const char* syscall, DWORD code, const std::string& attempt,
                          const std::string& address) {
  return windows_error(syscall, code, attempt, address);
}

// `name` in its canonical form, with a slash.
inline std::wstring section_name(const std::string& name) {
  return std::wstring(L"Local\\").append(kObjectPrefix).append(to_wide(name.substr(1)));
}

inline uint64_t whole_pages(uint64_t size) {
  // A size that no address space has would be rounded to nothing.
  if (size > (uint64_t{1} << 47)) return size;
  return (size + kPageSize - 1) & ~(kPageSize - 1);
}

// A section of the page file; every page of it is committed at once.
inline Handle create_section(const std::wstring& object, uint64_t size, const std::string& name) {
  SecurityAttributes security(private_sddl());
  Handle section(::CreateFileMappingW(INVALID_HANDLE_VALUE, security.get(),
                                      PAGE_READWRITE | SEC_COMMIT, static_cast<DWORD>(size >> 32),
                                      static_cast<DWORD>(size), object.c_str()));
  const DWORD code = ::GetLastError();
  if (!section.valid() || code == ERROR_ALREADY_EXISTS) {
    throw memory_error("CreateFileMapping", code,
                       "cannot create " + std::to_string(size) + " bytes of shared memory", name);
  }
  return section;
}

inline void check_owner(const Handle& section, const Owner& owner, const std::string& name) {
  if (owner.any) return;
  const std::string sid = owner_sid(section, name);
  const bool trusted = sid == current_user_sid() || sid == kSystemSid ||
                       sid == kAdministratorsSid || (!owner.sid.empty() && sid == owner.sid);
  if (trusted) return;
  throw Error(error_code::kUntrustedOwner,
              "shared memory '" + name + "' belongs to " + sid +
                  ", who is neither the current user nor the system; pass the owner option to "
                  "accept it");
}

// The kernel's name of an open section, less its directory; empty when it has none.
inline std::wstring object_name(HANDLE handle) {
  const std::wstring whole = object_text(handle, kObjectNameInformation).value_or(std::wstring());
  return whole.substr(whole.rfind(L'\\') + 1);
}

// Every page of a view that may come from somebody else has to be there: a section can be reserved
// without memory behind it, and an access to that ends the process. So does a store into the image
// of a program, which is a section, too.
inline bool is_committed(const std::byte* address, uint64_t size) {
  MEMORY_BASIC_INFORMATION region = {};
  return ::VirtualQuery(address, &region, sizeof(region)) != 0 && region.State == MEM_COMMIT &&
         region.Type == MEM_MAPPED && region.RegionSize >= size;
}

inline uint64_t view_size(const std::byte* address) {
  MEMORY_BASIC_INFORMATION region = {};
  ::VirtualQuery(address, &region, sizeof(region));
  return region.RegionSize;
}

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
  } else if (bare.find('\\') != std::string::npos) {
    problem = "contains a backslash";
  } else if (bare == "." || bare == "..") {
    problem = "is a directory's name";
  } else if (bare.size() > detail::kMaxNameLength) {
    problem = "is too long";
  }
  if (problem != nullptr) {
    throw Error(error_code::kInvalidArgument,
                "the name of a shared-memory object " + std::string(problem) + " (" +
                    std::to_string(bare.size()) + " bytes; allowed are 1 to " +
                    std::to_string(detail::kMaxNameLength) +
                    " bytes without a slash, after an optional leading one)");
  }
  return "/" + bare;
}

inline SharedMemory SharedMemory::create(const std::string& given, const CreateOptions& options) {
  const std::string name = canonical_name(given);
  if ((options.mode & ~0700u) != 0) {
    throw Error(error_code::kUnsupported,
                "on Windows shared memory is for the current user; a mode that lets others in "
                "cannot be had");
  }
  if (options.size == 0) {
    throw EmptyMemory("shared memory '" + name + "' must have at least one byte");
  }
  const uint64_t size = detail::whole_pages(options.size);
  // The name can go between the two attempts, with its last holder; a few rounds settle that.
  for (int round = 0;; ++round) {
    try {
      SharedMemory memory(detail::create_section(detail::section_name(name), size, name), name,
                          Access::kReadWrite);
      memory.map(0, size, false);
      return memory;
    } catch (const Error& error) {
      if (!detail::already_exists(error) || options.exclusive) throw;
    }
    try {
      SharedMemory existing = open(name);
      if (existing.size() == size) return existing;
      throw Error(error_code::kInvalidArgument, "shared memory '" + name + "' exists with " +
                                                    std::to_string(existing.size()) +
                                                    " bytes, not " + std::to_string(size));
    } catch (const Error& error) {
      if (!detail::not_found(error) || round == 8) throw;
    }
  }
}

inline SharedMemory SharedMemory::open(const std::string& given, Access access, const Owner& owner,
                                       const MemoryRange& range) {
  const std::string name = canonical_name(given);
  const DWORD wanted = access == Access::kReadOnly ? FILE_MAP_READ : FILE_MAP_READ | FILE_MAP_WRITE;
  Handle section(
      ::OpenFileMappingW(wanted | READ_CONTROL, FALSE, detail::section_name(name).c_str()));
  if (!section.valid()) {
    throw detail::memory_error("OpenFileMapping", ::GetLastError(), "cannot open shared memory",
                               name);
  }
  detail::check_owner(section, owner, name);
  SharedMemory memory(std::move(section), name, access);
  memory.map(range.offset, range.length.value_or(0), false);
  return memory;
}

// A name that nobody can guess: the roles and doorbells of a ring are named after its memory.
inline SharedMemory SharedMemory::anonymous(uint64_t size, bool seal, bool huge_pages) {
  if (huge_pages) {
    throw Error(error_code::kUnsupported, "huge pages for shared memory need Linux");
  }
  static_cast<void>(seal);  // a section's size never changes
  if (size == 0) throw EmptyMemory("shared memory must have at least one byte");
  std::random_device random;  // the system's generator here
  std::wstring object = detail::kAnonymousObject;
  for (int i = 0; i < 4; ++i) object.append(L"-").append(std::to_wstring(random()));
  SharedMemory memory(detail::create_section(object, detail::whole_pages(size), ""), "",
                      Access::kReadWrite);
  memory.map(0, detail::whole_pages(size), false);
  return memory;
}

inline SharedMemory SharedMemory::from_descriptor(SystemHandleNumber number, bool require_seals,
                                                  Access access, const MemoryRange& range) {
  static_cast<void>(require_seals);  // a section's size never changes
  SharedMemory memory(Handle::duplicate(number), "", access);
  memory.map(range.offset, range.length.value_or(0), false);
  return memory;
}

inline SharedMemory SharedMemory::map_file(const std::string& path, const FileOptions& options) {
  if (path.find('\0') != std::string::npos) {
    throw Error(error_code::kInvalidArgument, "the path contains a NUL byte");
  }
  const std::wstring wide = detail::to_wide(path);
  const DWORD attributes = ::GetFileAttributesW(wide.c_str());
  if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0) {
    throw Error(error_code::kInvalidArgument, "'" + path + "' is not a regular file");
  }
  Handle file(::CreateFileW(wide.c_str(),
                            options.read_only ? GENERIC_READ : GENERIC_READ | GENERIC_WRITE,
                            FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                            OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (!file.valid()) {
    throw detail::memory_error("CreateFile", ::GetLastError(), "cannot map the file", path)
        .of_file();
  }
  LARGE_INTEGER length = {};
  if (::GetFileType(file.get()) != FILE_TYPE_DISK || !::GetFileSizeEx(file.get(), &length)) {
    throw Error(error_code::kInvalidArgument, "'" + path + "' is not a regular file");
  }
  const auto file_size = static_cast<uint64_t>(length.QuadPart);
  if (options.offset >= file_size || options.length.value_or(1) > file_size - options.offset) {
    // A mapping beyond the end would make the file longer.
    throw Error(error_code::kInvalidArgument, "the range to map lies outside of '" + path +
                                                  "', which has " + std::to_string(file_size) +
                                                  " bytes");
  }
  const Access access = options.read_only ? Access::kReadOnly : Access::kReadWrite;
  Handle section(::CreateFileMappingW(
      file.get(), nullptr, options.read_only ? PAGE_WRITECOPY : PAGE_READWRITE, 0, 0, nullptr));
  if (!section.valid()) {
    throw detail::memory_error("CreateFileMapping", ::GetLastError(), "cannot map the file", path)
        .of_file();
  }
  SharedMemory memory(std::move(section), "", access);
  memory.map(options.offset, options.length.value_or(file_size - options.offset), options.populate);
  // The view keeps the section; what is needed further is the file, to write it back.
  memory.descriptor_ = std::move(file);
  return memory;
}

// A name goes with the last handle, so there is nothing to do but to say whether it is there.
inline void SharedMemory::unlink(const std::string& given) {
  const std::string name = canonical_name(given);
  const Handle section(
      ::OpenFileMappingW(FILE_MAP_READ, FALSE, detail::section_name(name).c_str()));
  if (!section.valid()) {
    throw detail::memory_error("OpenFileMapping", ::GetLastError(), "cannot remove shared memory",
                               name);
  }
}

// `size` 0: all of it from `offset` on.
inline void SharedMemory::map(uint64_t offset, uint64_t size, bool populate) {
  const uint64_t slack = offset % detail::kAllocationGranularity;
  const uint64_t start = offset - slack;
  // Copy-on-write for readers: a stray store lands in a private page instead of a fault.
  const DWORD how = access_ == Access::kReadOnly ? FILE_MAP_COPY : FILE_MAP_READ | FILE_MAP_WRITE;
  void* address =
      ::MapViewOfFile(descriptor_.get(), how, static_cast<DWORD>(start >> 32),
                      static_cast<DWORD>(start), static_cast<SIZE_T>(size == 0 ? 0 : size + slack));
  if (address == nullptr) {
    throw detail::memory_error("MapViewOfFile", ::GetLastError(), "cannot map shared memory",
                               name_);
  }
  mapping_ = std::shared_ptr<std::byte>(static_cast<std::byte*>(address),
                                        [](std::byte* view) { ::UnmapViewOfFile(view); });
  size_ = size == 0 ? detail::view_size(mapping_.get()) - slack : size;
  mapping_size_ = size_ + slack;
  data_ = mapping_.get() + slack;
  if (!detail::is_committed(mapping_.get(), mapping_size_)) {
    throw Error(error_code::kUnsealed,
                "the shared memory has pages without memory behind them, which would make this "
                "process fault");
  }
  if (!populate) return;
  for (uint64_t at = 0; at < mapping_size_; at += detail::kPageSize) {
    static_cast<void>(*static_cast<volatile std::byte*>(mapping_.get() + at));
  }
}

inline void SharedMemory::sync() const {
  if (!::FlushViewOfFile(mapping_.get(), static_cast<SIZE_T>(mapping_size_))) {
    throw detail::memory_error("FlushViewOfFile", ::GetLastError(), "cannot write the mapping back",
                               name_);
  }
  // Not a file's (but the page file's) mapping: nothing to wait for.
  if (::GetFileType(descriptor_.get()) != FILE_TYPE_DISK || access_ == Access::kReadOnly) return;
  if (!::FlushFileBuffers(descriptor_.get())) {
    throw detail::memory_error("FlushFileBuffers", ::GetLastError(),
                               "cannot write the mapping back", name_);
  }
}

}  // namespace sluice
