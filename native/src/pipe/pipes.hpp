// Windows named pipes as JavaScript objects.
#pragma once

#include <napi.h>

namespace sluice::binding {

void define_pipes(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
