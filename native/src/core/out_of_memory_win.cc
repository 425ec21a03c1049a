#include "core/errors.hpp"
#include "sluice/detail/windows_api.hpp"

namespace sluice::binding {

Error out_of_memory() {
  return detail::windows_error("malloc", ERROR_NOT_ENOUGH_MEMORY,
                               "this process cannot have more memory", "");
}

}  // namespace sluice::binding
