#include "core/process_resources.hpp"

namespace sluice::binding {

void define_process_resources(Napi::Env, Napi::Object) {}

}  // namespace sluice::binding
