#include <dlfcn.h>

#include "core/runtime_symbol.hpp"

namespace sluice::binding {

void* runtime_symbol(const char* name) {
  return ::dlsym(RTLD_DEFAULT, name);
}

}  // namespace sluice::binding
