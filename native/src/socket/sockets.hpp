// The functions that make sockets.
#pragma once

#include <napi.h>

namespace sluice::binding {

void define_sockets(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
