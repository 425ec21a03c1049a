// A piece of shared memory as a JavaScript object.
#pragma once

#include <napi.h>

#include <memory>

#include "sluice/shared_memory.hpp"

namespace sluice::binding {

class SharedMemoryHandle : public Napi::ObjectWrap<SharedMemoryHandle> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  static Napi::Value wrap(Napi::Env env, std::shared_ptr<SharedMemory> memory);

  explicit SharedMemoryHandle(const Napi::CallbackInfo& info);

 private:
  // An ArrayBuffer over the memory, which stays mapped until that is collected or detached;
  // undefined where the runtime forbids such buffers.
  Napi::Value buffer(const Napi::CallbackInfo& info);
  // A SharedArrayBuffer likewise; undefined where the runtime lacks the call.
  Napi::Value shared_buffer(const Napi::CallbackInfo& info);
  Napi::Value sync(const Napi::CallbackInfo& info);
  Napi::Value size(const Napi::CallbackInfo& info);
  Napi::Value name(const Napi::CallbackInfo& info);
  Napi::Value descriptor(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  SharedMemory& require_open() const;

  std::shared_ptr<SharedMemory> memory_;
};

}  // namespace sluice::binding
