#include "core/errors.hpp"

namespace sluice::binding {

const char* system_error_name(int) {
  return nullptr;
}

}  // namespace sluice::binding
