// fchmod before bind gives the name its mode, less the umask.
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "socket/bound_name.hpp"

namespace sluice::binding {

int bind_with_mode(int socket, const SocketAddress& address, mode_t mode) {
  if (::fchmod(socket, mode) != 0) return -1;
  return ::bind(socket, address.data(), address.length);
}

int set_exact_mode(const std::string& path, mode_t mode) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return -1;
  if ((status.st_mode & 07777) == mode) return 0;
  if (!S_ISSOCK(status.st_mode) || status.st_uid != ::geteuid()) {
    errno = EADDRINUSE;  // somebody has put another thing in its place
    return -1;
  }
  return ::fchmodat(AT_FDCWD, path.c_str(), mode, AT_SYMLINK_NOFOLLOW);
}

}  // namespace sluice::binding
