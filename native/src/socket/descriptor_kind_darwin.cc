#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "socket/descriptor_closer.hpp"
#include "socket/descriptor_kind.hpp"

namespace sluice::binding {

// A shared-memory object has a size and a mode without the bits of a type.
bool is_shared_memory(int descriptor) {
  struct stat status {};
  return ::fstat(descriptor, &status) == 0 && (status.st_mode & S_IFMT) == 0;
}

bool closes_at_once(int descriptor) {
  return is_shared_memory(descriptor);
}

}  // namespace sluice::binding
