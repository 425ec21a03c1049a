#include "core/start_thread.hpp"

namespace sluice::binding {

Error cannot_start_thread(const std::system_error& error) {
  const int number = error.code().value();
  return Error::system("pthread_create", number,
                       "cannot start a thread: " + std::generic_category().message(number) +
                           "; is a limit on threads or memory reached (ulimit -u, pids.max)?");
}

}  // namespace sluice::binding
