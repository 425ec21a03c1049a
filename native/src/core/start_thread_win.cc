#include "core/start_thread.hpp"
#include "sluice/detail/windows_api.hpp"

namespace sluice::binding {

// The standard library says EAGAIN whatever CreateThread failed with. It fails for want of memory.
Error cannot_start_thread(const std::system_error&) {
  return detail::windows_error("CreateThread", ERROR_NOT_ENOUGH_MEMORY, "cannot start a thread",
                               "");
}

}  // namespace sluice::binding
