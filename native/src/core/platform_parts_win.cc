#include "core/platform_parts.hpp"

namespace sluice::binding {

// Unix sockets exist on Windows, but carry neither credentials nor descriptors.
void define_platform_parts(Napi::Env, Napi::Object) {}

}  // namespace sluice::binding
