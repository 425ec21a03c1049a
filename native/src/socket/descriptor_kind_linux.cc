#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "socket/descriptor_closer.hpp"
#include "socket/descriptor_kind.hpp"

namespace sluice::binding {

bool is_shared_memory(int descriptor) {
  struct stat status {};
  // There may be anything in /dev/shm.
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  std::array<char, 64> target{};
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
  if (length <= 0) return false;
  const std::string_view name(target.data(), static_cast<size_t>(length));
  return name.starts_with("/memfd:") || name.starts_with("/dev/shm/");
}

bool closes_at_once(int descriptor) {
  if (::fcntl(descriptor, F_GET_SEALS) >= 0) return true;
  // fstat(2) of a file on FUSE would wait for its server; this does not. Not by the C library,
  // which has the call in musl 1.2.5 and later only.
  struct statx status {};
  constexpr int kFlags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
  if (::syscall(SYS_statx, descriptor, "", kFlags, STATX_TYPE, &status) != 0) return false;
  constexpr uint32_t kMemoryDevices = 1;  // /dev/null and the like
  switch (status.stx_mode & S_IFMT) {
    case S_IFIFO:
      return true;
    case S_IFCHR:
      return status.stx_rdev_major == kMemoryDevices;
    case S_IFREG:
    case S_IFDIR:
      // On a block device, and so neither on FUSE nor on another machine.
      return status.stx_dev_major != 0;
    default:
      return false;
  }
}

}  // namespace sluice::binding
