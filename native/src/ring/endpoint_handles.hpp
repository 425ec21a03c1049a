// The two ends of a ring as JavaScript objects. They do what is rare or needs a system call; the
// hot path is JavaScript over the same memory (lib/ring).
#pragma once

#include <napi.h>

namespace sluice::binding {

void define_endpoint_handles(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
