// The features that the addon has on one kind of system and not on another.
#pragma once

#include <napi.h>

#include "core/environment.hpp"

namespace sluice::binding {

void define_features_of_system(Napi::Env env, Napi::Object exports);

// `callbacks` is the argument of `initialise` (addon.cc).
void initialise_features_of_system(Environment& environment, const Napi::Object& callbacks);

}  // namespace sluice::binding
