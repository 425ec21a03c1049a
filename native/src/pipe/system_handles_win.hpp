// Handles as numbers: duplicating, closing, and fetching them from another process.
#pragma once

#include <napi.h>

namespace sluice::binding {

void define_system_handles(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
