// Whether a name on disk belongs to a socket that is open.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>

#include "sluice/detail/file_descriptor.hpp"

namespace sluice::binding {

// Whether the system knows of a socket, in this network namespace, that is bound to the file: one
// that does not listen yet refuses connections as a dead one does. False also when the system does
// not tell.
bool is_bound_inode(const struct stat& status);

// The process that holds a flock(2) on the file, as far as the system tells.
std::optional<pid_t> lock_holder(const struct stat& status);

}  // namespace sluice::binding
