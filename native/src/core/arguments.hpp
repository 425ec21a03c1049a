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

// A user's id (a number, or a SID on Windows), 'any', or undefined for the trusted ones.
inline Owner to_owner(const Napi::Value& value) {
  Owner owner;
  if (value.IsNumber()) owner.uid = value.As<Napi::Number>().Uint32Value();
  if (value.IsString()) owner.sid = value.As<Napi::String>();
  owner.any = owner.sid == "any";
  return owner;
}

// A descriptor's or handle's number.
inline SystemHandleNumber to_system_handle(const Napi::Value& value) {
#if defined(_WIN32)
  return reinterpret_cast<SystemHandleNumber>(
      static_cast<intptr_t>(value.As<Napi::Number>().Int64Value()));
#else
  return value.As<Napi::Number>().Int32Value();
#endif
}

}  // namespace sluice::binding
