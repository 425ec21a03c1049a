// What the addon has on one kind of system and not on another.
#pragma once

#include <napi.h>

namespace sluice::binding {

void define_platform_parts(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
