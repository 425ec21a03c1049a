// These systems have no list of sockets that tells inodes.
#include "socket/bound_inode.hpp"

namespace sluice::binding {

bool is_bound_inode(const struct stat&) {
  return false;
}

}  // namespace sluice::binding
