#include <sys/stat.h>

#include <cerrno>

#include "sluice/error.hpp"
#include "socket/descriptor_kind.hpp"

namespace sluice::binding {

const char* descriptor_kind(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) {
    throw Error::system("fstat", errno, "cannot look at the descriptor");
  }
  if (is_shared_memory(descriptor)) return "memory";
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFSOCK:
      return "socket";
    case S_IFIFO:
      return "pipe";
    case S_IFDIR:
      return "directory";
    default:
      return "other";
  }
}

}  // namespace sluice::binding
