// Arguments of native functions. The TypeScript layer has checked their types; this only converts.
#pragma once

#include <napi.h>

#include <chrono>
#include <cstdint>
#include <optional>

#include "sluice/shared_memory.hpp"

namespace sluice::binding {

inline uint64_t to_u64(const Napi::Value& value) {
  return static_cast<uint64_t>(value.As<Napi::Number>().DoubleValue());
}

inline std::chrono::milliseconds to_milliseconds(const Napi::Value& value) {
  return std::chrono::milliseconds(value.As<Napi::Number>().Int64Value());
}

// A user's id, 'any', or undefined for the trusted ones.
inline Owner to_owner(const Napi::Value& value) {
  if (value.IsNumber()) return {.any = false, .uid = value.As<Napi::Number>().Uint32Value()};
  return {.any = value.IsString(), .uid = std::nullopt};
}

}  // namespace sluice::binding
