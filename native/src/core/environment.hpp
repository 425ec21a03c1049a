// What one Node environment (the main thread, or a worker) keeps natively. It lives in the addon's
// instance data and dies with the environment; nothing of it is in a C++ global.
#pragma once

#include <napi.h>

#include <memory>

namespace sluice::binding {

class CompletionPort;
class OwnedDescriptors;
class OwnedHandles;
class SocketAddress;
class WaitingThreads;
class Watcher;

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

  // Of named pipes, on Windows; made at the first use.
  const std::shared_ptr<CompletionPort>& completion_port();

  // Of descriptors; made at the first use. `ready_listener` is what it calls.
  Watcher& watcher();
  Napi::FunctionReference ready_listener;
  bool watches_in_thread = false;

  // Set for tests and for runtimes that refuse ArrayBuffers over foreign memory.
  bool external_buffers_forbidden = false;

  // Constructors of the wrapped classes.
  Napi::FunctionReference shared_memory;
  Napi::FunctionReference ring;
  Napi::FunctionReference socket;

  // What a socket's calls tell beside their result.
  Napi::Reference<Napi::Int32Array> socket_results;
  // Of the message that was read last.
  std::shared_ptr<SocketAddress> sender;

  // Not on Windows.
  std::shared_ptr<OwnedDescriptors> descriptors;
  // On Windows only.
  std::shared_ptr<OwnedHandles> handles;

 private:
  Napi::Env env_;
  // Shut down by a cleanup hook. Shared with the endpoints, whose finalizers may run later.
  std::shared_ptr<WaitingThreads> waiting_threads_;
  std::shared_ptr<CompletionPort> completion_port_;
  // Shut down by a hook of its own. Shared with what it watches, likewise.
  std::shared_ptr<Watcher> watcher_;
};

}  // namespace sluice::binding
