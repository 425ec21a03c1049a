// These systems have no list of sockets that tells inodes.
#include "socket/bound_inode.hpp"

namespace sluice::binding {

bool is_bound_inode(const struct stat&) {
  return false;
}

std::optional<pid_t> lock_holder(const struct stat&) {
  return std::nullopt;
}

}  // namespace sluice::binding
