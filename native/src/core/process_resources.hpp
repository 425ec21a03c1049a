// What the process holds of the system's resources, where no file says so.
#pragma once

#include <napi.h>

namespace sluice::binding {

// processResources(): { handles, threads }, on Windows.
void define_process_resources(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
