#pragma once

namespace sluice::binding {

// 'file', 'socket', 'pipe', 'memory', 'directory' or 'other'. Throws for what is not open.
const char* descriptor_kind(int descriptor);

// Whether a regular file is shared memory: made by memfd_create(2) or shm_open(3).
bool is_shared_memory(int descriptor);

}  // namespace sluice::binding
