// A Unix socket as a JavaScript object: the system calls, and the watching of its readiness.
//
// Nothing here waits. Calls that move data return a count, or the negative error number, so that
// EAGAIN costs no exception; what else they found out is in the array `socketResults`.
#pragma once

#include <napi.h>

#include <memory>
#include <optional>

#include "core/watcher.hpp"
#include "sluice/detail/file_descriptor.hpp"
#include "socket/ancillary.hpp"
#include "socket/bound_name.hpp"
#include "socket/descriptors.hpp"
#include "socket/peer_credentials.hpp"
#include "socket/socket_address.hpp"

namespace sluice::binding {

// The places of `socketResults`; lib/socket/results.ts has the same.
struct SocketResults {
  static constexpr size_t kSize = 6 + kMaxDescriptors;

  int32_t descriptors;      // how many came; they belong to the environment's OwnedDescriptors
  int32_t flags;            // see below
  int32_t has_credentials;  // whether the next three count
  int32_t pid;
  int32_t uid;
  int32_t gid;
  int32_t numbers[kMaxDescriptors];

  static constexpr int32_t kDescriptorsLost = 1;
  static constexpr int32_t kMessageCut = 2;
};

// The state that an environment's sockets share; it is made by `define`.
struct SocketPart {
  explicit SocketPart(Environment& environment);

  OwnedDescriptors& descriptors;
  WatcherPart& watcher;
  Napi::FunctionReference constructor;
  // Facts that a socket's calls found beside their result; JavaScript reads them.
  Napi::Reference<Napi::Int32Array> results_array;
  SocketResults* results;
  SocketAddress sender;  // of the datagram that was read last
};

class SocketHandle : public Napi::ObjectWrap<SocketHandle> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  static Napi::Object wrap(Napi::Env env, FileDescriptor socket, int type,
                           std::unique_ptr<BoundName> name = nullptr);

  explicit SocketHandle(const Napi::CallbackInfo& info);
  ~SocketHandle() override;

  // It came from somebody who may have it still.
  void set_shared() { is_shared_ = true; }

 private:
  Napi::Value descriptor(const Napi::CallbackInfo& info);
  void watch(const Napi::CallbackInfo& info);
  void set_ref(const Napi::CallbackInfo& info);
  Napi::Value next_length(const Napi::CallbackInfo& info);
  Napi::Value at_end(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value sender(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value send(const Napi::CallbackInfo& info);
  Napi::Value send_numbers(const Napi::CallbackInfo& info);
  Napi::Value accept(const Napi::CallbackInfo& info);
  Napi::Value connect(const Napi::CallbackInfo& info);
  Napi::Value shut_down_writing(const Napi::CallbackInfo& info);
  Napi::Value set_buffer_sizes(const Napi::CallbackInfo& info);
  Napi::Value buffer_sizes(const Napi::CallbackInfo& info);
  Napi::Value peer(const Napi::CallbackInfo& info);
  Napi::Value is_named(const Napi::CallbackInfo& info);
  void leave_name(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  void ask_for_peer();
  void close_socket();
  Napi::Value status_of(const Napi::CallbackInfo& info, ssize_t result);

  std::shared_ptr<OwnedDescriptors> descriptors_;
  FileDescriptor socket_;
  // Somebody else may use the socket, too: it may not be shut down.
  bool is_shared_ = false;
  bool at_end_ = false;              // a stream was read to its end
  std::unique_ptr<BoundName> name_;  // few sockets have one
  int type_ = 0;                     // SOCK_STREAM, ...
  std::unique_ptr<Watch> watch_;     // after socket_: destroyed before it is closed
  std::optional<PeerCredentials> peer_;
  SocketPart* shared_;
};

}  // namespace sluice::binding
