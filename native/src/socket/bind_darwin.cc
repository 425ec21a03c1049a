// A socket's mode cannot be set before it has a name here: it gets one in a directory that only
// this user can enter, its mode there, and then its place.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "socket/bound_name.hpp"

namespace sluice::binding {
namespace {

int bind_inside(int socket, const std::string& inside, const std::string& path, mode_t mode) {
  try {
    const SocketAddress address = SocketAddress::parse(inside);
    if (::bind(socket, address.data(), address.length) != 0) return -1;
  } catch (const Error&) {
    errno = ENAMETOOLONG;
    return -1;
  }
  // Never over something that is there.
  if (::chmod(inside.c_str(), mode) == 0 &&
      ::renamex_np(inside.c_str(), path.c_str(), RENAME_EXCL) == 0) {
    return 0;
  }
  const int failure = errno == EEXIST ? EADDRINUSE : errno;
  ::unlink(inside.c_str());
  errno = failure;
  return -1;
}

}  // namespace

int bind_with_mode(int socket, const SocketAddress& address, mode_t mode) {
  const std::string path = address.to_string();
  struct stat status {};
  // A socket can be bound once: what is in the way is found before.
  if (::lstat(path.c_str(), &status) == 0) {
    errno = EADDRINUSE;
    return -1;
  }
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  std::string made = directory + ".sXXXXXX";
  if (::mkdtemp(made.data()) == nullptr) return -1;
  const int result = bind_inside(socket, made + "/s", path, mode);
  const int failure = errno;
  ::rmdir(made.c_str());
  errno = failure;
  return result;
}

int set_exact_mode(const std::string&, mode_t) {
  return 0;  // it has it
}

}  // namespace sluice::binding
