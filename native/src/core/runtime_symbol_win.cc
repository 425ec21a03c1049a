#include "core/runtime_symbol.hpp"
#include "sluice/detail/windows_api.hpp"

namespace sluice::binding {

void* runtime_symbol(const char* name) {
  return reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleW(nullptr), name));
}

}  // namespace sluice::binding
