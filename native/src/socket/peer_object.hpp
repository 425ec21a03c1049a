#pragma once

#include <napi.h>

#include "socket/peer_credentials.hpp"

namespace sluice::binding {

Napi::Object peer_object(Napi::Env env, const PeerCredentials& peer);
void define_peer_functions(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
