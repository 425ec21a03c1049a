// One end of a named pipe as a JavaScript object.
#pragma once

#include <napi.h>

#include <memory>

#include "pipe/completion_port_win.hpp"

namespace sluice::binding {

class PipeHandle : public Napi::ObjectWrap<PipeHandle> {
 public:
  static void define(Napi::Env env, Napi::Object exports);

  // new PipeHandle(path, security, options): an instance of a server's pipe; or
  // new PipeHandle(path, impersonation): a client's end.
  explicit PipeHandle(const Napi::CallbackInfo& info);
  ~PipeHandle() override;

 private:
  // The outcome of each is an error code, 0, or -1 when an event will tell it.
  Napi::Value connect(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);   // read(length)
  Napi::Value write(const Napi::CallbackInfo& info);  // write(bytes)
  Napi::Value take(const Napi::CallbackInfo& info);   // a copy of what was read
  void identify(const Napi::CallbackInfo& info);
  void cancel(const Napi::CallbackInfo& info);  // cancel(event)
  Napi::Value disconnect(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Napi::Value id(const Napi::CallbackInfo& info);
  Napi::Value message_type(const Napi::CallbackInfo& info);
  Napi::Value owner(const Napi::CallbackInfo& info);
  Napi::Value identity(const Napi::CallbackInfo& info);
  Napi::Value process(const Napi::CallbackInfo& info);  // process(ofServer)

  Pipe& require_open() const;

  std::shared_ptr<CompletionPort> port_;
  std::shared_ptr<Pipe> pipe_;
};

}  // namespace sluice::binding
