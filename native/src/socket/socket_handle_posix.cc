#include <cerrno>
#include <utility>
#include <vector>

#include "core/environment.hpp"
#include "core/errors.hpp"
#include "socket/descriptors.hpp"
#include "socket/peer_object.hpp"
#include "socket/socket_calls.hpp"
#include "socket/socket_handle.hpp"

namespace sluice::binding {

SocketPart::SocketPart(Environment& environment)
    : descriptors(environment.part<OwnedDescriptors>()), watcher(environment.part<WatcherPart>()) {
  const Napi::Env env = environment.env();
  const auto memory = Napi::ArrayBuffer::New(env, sizeof(SocketResults));
  Napi::Int32Array array = Napi::Int32Array::New(env, SocketResults::kSize, memory, 0);
  results_array = Napi::Persistent(array);
  results = reinterpret_cast<SocketResults*>(array.Data());
}

void SocketHandle::define(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor =
      DefineClass(env, "SocketHandle",
                  {
                      InstanceMethod<&SocketHandle::descriptor>("descriptor"),
                      InstanceMethod<&SocketHandle::watch>("watch"),
                      InstanceMethod<&SocketHandle::set_ref>("setRef"),
                      InstanceMethod<&SocketHandle::next_length>("nextLength"),
                      InstanceMethod<&SocketHandle::at_end>("atEnd"),
                      InstanceMethod<&SocketHandle::read>("read"),
                      InstanceMethod<&SocketHandle::sender>("sender"),
                      InstanceMethod<&SocketHandle::write>("write"),
                      InstanceMethod<&SocketHandle::send>("send"),
                      InstanceMethod<&SocketHandle::send_numbers>("sendNumbers"),
                      InstanceMethod<&SocketHandle::accept>("accept"),
                      InstanceMethod<&SocketHandle::connect>("connect"),
                      InstanceMethod<&SocketHandle::shut_down_writing>("shutDownWriting"),
                      InstanceMethod<&SocketHandle::set_buffer_sizes>("setBufferSizes"),
                      InstanceMethod<&SocketHandle::buffer_sizes>("bufferSizes"),
                      InstanceMethod<&SocketHandle::peer>("peer"),
                      InstanceMethod<&SocketHandle::is_named>("isNamed"),
                      InstanceMethod<&SocketHandle::leave_name>("leaveName"),
                      InstanceMethod<&SocketHandle::close>("close"),
                  });
  auto& shared = Environment::of(env).part<SocketPart>();
  shared.constructor = Napi::Persistent(constructor);
  exports.Set("socketResults", shared.results_array.Value());
}

Napi::Object SocketHandle::wrap(Napi::Env env, FileDescriptor socket, int type,
                                std::unique_ptr<BoundName> name) {
  const Napi::Object object = Environment::of(env).part<SocketPart>().constructor.New({});
  SocketHandle* handle = Unwrap(object);
  handle->type_ = type;
  handle->socket_ = std::move(socket);
  if (name) handle->name_ = std::move(name);
  return object;
}

SocketHandle::SocketHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SocketHandle>(info),
      descriptors_(Environment::of(info.Env()).shared_part<OwnedDescriptors>()),
      shared_(&Environment::of(info.Env()).part<SocketPart>()) {}

SocketHandle::~SocketHandle() {
  close_socket();
}

void SocketHandle::close_socket() {
  // The name goes first: a client that came between the two would be refused by a name that looks
  // alive.
  name_.reset();
  watch_.reset();
  if (!socket_.valid()) return;
  // Descriptors that wait to be read are closed with the socket, and may linger. Behind the end of
  // a stream there are none.
  std::vector<FileDescriptor> unread;
  if (at_end_ || (!is_shared_ && ends_with_nothing_unread(socket_.get(), type_, unread))) {
    socket_.reset();
  } else {
    descriptors_->close(std::move(socket_));
  }
  for (FileDescriptor& connection : unread) descriptors_->close(std::move(connection));
}

Napi::Value SocketHandle::status_of(const Napi::CallbackInfo& info, ssize_t result) {
  return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
}

// descriptor(forUser): negative when it is closed. A user may send it, or let a child inherit it.
Napi::Value SocketHandle::descriptor(const Napi::CallbackInfo& info) {
  if (info[0].ToBoolean()) set_shared();
  return Napi::Number::New(info.Env(), socket_.get());
}

// watch(id, readiness)
void SocketHandle::watch(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    if (!socket_.valid()) return;
    if (!watch_) {
      const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
      watch_ = shared_->watcher.get().watch(socket_.get(), id);
    }
    watch_->set(info[1].As<Napi::Number>().Uint32Value());
  });
}

// setRef(ref); only after the first `watch`.
void SocketHandle::set_ref(const Napi::CallbackInfo& info) {
  if (watch_) watch_->set_ref(info[0].As<Napi::Boolean>());
}

// Clients that gave up, in one call of accept.
constexpr uint32_t kMostAborted = 64;

// accept(most): the connections that wait; the negative error number if there are none.
Napi::Value SocketHandle::accept(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const uint32_t most = info[0].As<Napi::Number>().Uint32Value();
    std::vector<FileDescriptor> accepted;
    int failure = EAGAIN;
    for (uint32_t tries = 0; accepted.size() < most && tries < most + kMostAborted; ++tries) {
      FileDescriptor socket = accept_socket(socket_.get());
      if (socket.valid()) {
        accepted.push_back(std::move(socket));
        continue;
      }
      failure = errno;
      // Linux says the first of a listening socket that somebody who has it has shut down, the
      // others say the second.
      const bool may_be_shut_down = failure == EAGAIN || failure == ECONNABORTED;
      if (may_be_shut_down && is_shut_down(socket_.get())) failure = EINVAL;
      // A client that gave up before it was accepted is no failure of the server.
      if (failure != EINTR && failure != ECONNABORTED) break;
      failure = EAGAIN;
    }
    if (accepted.empty()) return Napi::Number::New(info.Env(), -failure);
    auto list = Napi::Array::New(info.Env(), accepted.size());
    for (size_t i = 0; i < accepted.size(); ++i) {
      const Napi::Object connection = wrap(info.Env(), std::move(accepted[i]), type_);
      Unwrap(connection)->ask_for_peer();
      list.Set(static_cast<uint32_t>(i), connection);
    }
    return list;
  });
}

// connect(address, padded): 0, or the negative error number.
Napi::Value SocketHandle::connect(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto address = SocketAddress::parse(info[0].As<Napi::String>(), info[1].ToBoolean());
    const int result =
        uninterrupted([&] { return ::connect(socket_.get(), address.data(), address.length); });
    const Napi::Value status = status_of(info, result);
    if (result == 0) ask_for_peer();
    return status;
  });
}

Napi::Value SocketHandle::shut_down_writing(const Napi::CallbackInfo& info) {
  return status_of(info, ::shutdown(socket_.get(), SHUT_WR));
}

// setBufferSizes(send, receive): each may be undefined.
Napi::Value SocketHandle::set_buffer_sizes(const Napi::CallbackInfo& info) {
  const auto set = [&](const Napi::Value& value, int option) {
    if (!value.IsNumber()) return 0;
    const int size = value.As<Napi::Number>().Int32Value();
    return ::setsockopt(socket_.get(), SOL_SOCKET, option, &size, sizeof(size));
  };
  const int sending = set(info[0], SO_SNDBUF);
  return status_of(info, sending < 0 ? sending : set(info[1], SO_RCVBUF));
}

// bufferSizes(): [send, receive] as the system has them, or the negative error number.
Napi::Value SocketHandle::buffer_sizes(const Napi::CallbackInfo& info) {
  int sizes[2] = {};
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    socklen_t length = sizeof(int);
    int& size = sizes[option == SO_SNDBUF ? 0 : 1];
    if (::getsockopt(socket_.get(), SOL_SOCKET, option, &size, &length) != 0) {
      return status_of(info, -1);
    }
  }
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  result.Set(0u, sizes[0]);
  result.Set(1u, sizes[1]);
  return result;
}

// While there is a connection to ask about: `peer` is wanted after its end, too.
void SocketHandle::ask_for_peer() {
  try {
    peer_ = PeerCredentials::of_socket(socket_.get());
  } catch (const Error&) {
    // `peer` asks again, and says what is wrong.
  }
}

Napi::Value SocketHandle::peer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    if (!peer_) peer_ = PeerCredentials::of_socket(socket_.get());
    return peer_object(info.Env(), *peer_);
  });
}

// isNamed(): whether its path still is its own; false without a path.
Napi::Value SocketHandle::is_named(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), name_ != nullptr && name_->leads_here());
}

void SocketHandle::leave_name(const Napi::CallbackInfo&) {
  if (name_) name_->leave();
}

void SocketHandle::close(const Napi::CallbackInfo&) {
  close_socket();
}

}  // namespace sluice::binding
