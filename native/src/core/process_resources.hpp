// What the process holds of the system's resources, where no file says so.
#pragma once

#include <napi.h>

namespace sluice::binding {

// On Windows: processResources(): { handles, threads }, which are counts; openHandles(): how many
// there are of each kind.
void define_process_resources(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
