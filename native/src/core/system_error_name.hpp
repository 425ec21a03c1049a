// What the system calls its errors.
#pragma once

namespace sluice::binding {

// nullptr where Node has the names (errno).
const char* system_error_name(int number);

}  // namespace sluice::binding
