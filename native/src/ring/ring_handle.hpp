// A ring as a JavaScript object.
#pragma once

#include <napi.h>

#include <optional>

#include "sluice/ring.hpp"

namespace sluice::binding {

class RingHandle : public Napi::ObjectWrap<RingHandle> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  static Napi::Value wrap(Napi::Env env, Ring ring);

  explicit RingHandle(const Napi::CallbackInfo& info);

  const Ring& require_open() const;

 private:
  Napi::Value memory(const Napi::CallbackInfo& info);
  // An ArrayBuffer over the ring; undefined where the runtime forbids such buffers.
  Napi::Value buffer(const Napi::CallbackInfo& info);
  Napi::Value capacity(const Napi::CallbackInfo& info);
  Napi::Value stats(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  std::optional<Ring> ring_;
};

}  // namespace sluice::binding
