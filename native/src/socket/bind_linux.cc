// The mode of a socket's inode is that of its name on disk, less the umask.
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
  // Through a descriptor, so that what is changed is what was looked at.
  const FileDescriptor file(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!file.valid() || ::fstat(file.get(), &status) != 0) return -1;
  if ((status.st_mode & 07777) == mode) return 0;
  if (!S_ISSOCK(status.st_mode) || status.st_uid != ::geteuid()) {
    errno = EADDRINUSE;  // somebody has put another thing in its place
    return -1;
  }
  return ::chmod(("/proc/self/fd/" + std::to_string(file.get())).c_str(), mode);
}

}  // namespace sluice::binding
