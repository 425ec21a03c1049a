// ArrayBuffers over memory that is not the runtime's own, and who owns that memory meanwhile.
#pragma once

#include <napi.h>

#include <cstddef>
#include <memory>

namespace sluice::binding {

// A share in the memory: whatever keeps it mapped. It must hold nothing else, for a finalizer may
// run late, and a descriptor must not stay open until then.
using MemoryShare = std::shared_ptr<const void>;

// Undefined where the runtime forbids such buffers (Electron). Throws kUnsupported where it cannot
// make one of this length. The share is kept until the buffer's finalizer has run.
Napi::Value external_array_buffer(Napi::Env env, MemoryShare share, std::byte* data, size_t length);
// The same as a SharedArrayBuffer; undefined also where Node-API cannot make one.
Napi::Value external_shared_array_buffer(Napi::Env env, MemoryShare share, std::byte* data,
                                         size_t length);

bool has_external_array_buffers(Napi::Env env);
bool has_external_shared_array_buffers();

}  // namespace sluice::binding
