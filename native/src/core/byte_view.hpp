// A Uint8Array of the caller's, as it is at this moment.
//
// While a write waits, JavaScript may transfer the memory beneath its bytes away, or shrink it:
// structuredClone with `transfer`, ArrayBuffer.prototype.transfer, a resizable ArrayBuffer. The
// view is then shorter, or has no bytes, and what lies where they were belongs to somebody else. So
// nothing of a view is kept from one system call to the next, and what is left of it is asked for
// before each one. (Shared memory cannot shrink; its bytes can change, as any others can.)
#pragma once

#include <napi.h>

#include <cstddef>
#include <optional>
#include <span>

namespace sluice::binding {

// Its bytes from `offset` on; nothing when the memory has gone from there. Not at the end either
// when it has no bytes any more: an empty message is not what was to be sent.
inline std::optional<std::span<std::byte>> bytes_from(napi_env env, napi_value view,
                                                      size_t offset = 0) {
  void* data = nullptr;
  size_t length = 0;
  napi_value buffer = nullptr;
  if (napi_get_typedarray_info(env, view, nullptr, &length, &data, &buffer, nullptr) != napi_ok) {
    return std::nullopt;
  }
  if (offset > length) return std::nullopt;
  if (length == 0) {
    // A SharedArrayBuffer is no ArrayBuffer to Node-API, and is never detached.
    bool detached = false;
    if (napi_is_detached_arraybuffer(env, buffer, &detached) == napi_ok && detached) {
      return std::nullopt;
    }
    return std::span<std::byte>();
  }
  return std::span(static_cast<std::byte*>(data), length).subspan(offset);
}

}  // namespace sluice::binding
