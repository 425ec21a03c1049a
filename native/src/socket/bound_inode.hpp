// Whether a name on disk belongs to a socket that is open.
#pragma once

#include <sys/stat.h>

#include "sluice/detail/file_descriptor.hpp"

namespace sluice::binding {

// Whether the system knows of a socket, in this network namespace, that is bound to the file: one
// that does not listen yet refuses connections as a dead one does. False also when the system does
// not tell.
bool is_bound_inode(const struct stat& status);

}  // namespace sluice::binding
