// Windows named pipes as JavaScript objects. On other systems there is nothing behind this.
#pragma once

#include <napi.h>

#include <memory>

namespace sluice::binding {

class CompletionPort;

// The environment's completion port, where there is such a thing.
std::shared_ptr<CompletionPort> make_completion_port(Napi::Env env);

void define_pipes(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
