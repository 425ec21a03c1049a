#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

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

}  // namespace sluice::binding
