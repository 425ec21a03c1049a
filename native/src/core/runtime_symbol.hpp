// Functions of the runtime that only newer ones have.
#pragma once

namespace sluice::binding {

// The address of one that the running program exports, or nullptr.
void* runtime_symbol(const char* name);

}  // namespace sluice::binding
