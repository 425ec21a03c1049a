// What one Node environment (the main thread, or a worker) keeps natively. It lives in the addon's
// instance data and dies with the environment; nothing of it is in a C++ global.
#pragma once

#include <napi.h>

#include <memory>

namespace sluice::binding {

class CompletionPort;
class WaitingThreads;

class Environment {
 public:
  explicit Environment(Napi::Env env);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment();

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  // Makes the JavaScript error for a native one: (code, message, syscall, errno, address, pid,
  // errnoCode).
  Napi::FunctionReference error_factory;

  const std::shared_ptr<WaitingThreads>& waiting_threads() const { return waiting_threads_; }

  // Null where there is no such thing (pipe/pipes.hpp).
  const std::shared_ptr<CompletionPort>& completion_port() const { return completion_port_; }

  // Set for tests and for runtimes that refuse ArrayBuffers over foreign memory.
  bool external_buffers_forbidden = false;

  // Constructors of the wrapped classes.
  Napi::FunctionReference shared_memory;
  Napi::FunctionReference ring;

 private:
  // Shut down by a cleanup hook. Shared with the endpoints, whose finalizers may run later.
  std::shared_ptr<WaitingThreads> waiting_threads_;
  std::shared_ptr<CompletionPort> completion_port_;
};

}  // namespace sluice::binding
