#include <cerrno>

#include "core/errors.hpp"

namespace sluice::binding {

Error out_of_memory() {
  return Error::system("malloc", ENOMEM, "this process cannot have more memory");
}

}  // namespace sluice::binding
