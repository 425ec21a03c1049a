// The named sections of sluice that exist in this session (Windows).
#pragma once

#include <napi.h>

namespace sluice::binding {

void define_named_sections(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
