#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "core/environment.hpp"
#include "core/errors.hpp"
#include "socket/bound_name.hpp"
#include "socket/descriptors.hpp"
#include "socket/peer_object.hpp"
#include "socket/socket_address.hpp"
#include "socket/socket_calls.hpp"
#include "socket/socket_handle.hpp"
#include "socket/sockets.hpp"

namespace sluice::binding {
namespace {

int to_type(const Napi::Value& value) {
  const std::string name = value.As<Napi::String>();
  if (name == "seqpacket") return SOCK_SEQPACKET;
  return name == "datagram" ? SOCK_DGRAM : SOCK_STREAM;
}

const char* type_name(int type) {
  if (type == SOCK_SEQPACKET) return "seqpacket";
  return type == SOCK_DGRAM ? "datagram" : "stream";
}

Error failed(const char* syscall, const std::string& attempt) {
  const int number = errno;
  return Error::system(syscall, number, attempt + ": " + std::generic_category().message(number));
}

FileDescriptor make_socket(int type) {
  FileDescriptor socket = open_socket(type);
  if (!socket.valid()) throw failed("socket", "cannot make a socket");
  return socket;
}

// Before the socket has a name: no message is to come without them.
void require_credentials(int socket) {
  if (!pass_credentials(socket)) {
    throw Error(error_code::kUnsupported, "this system cannot tell a datagram's credentials");
  }
}

// checkAddress(address): throws for what no socket can be called.
void check_address(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { SocketAddress::parse(info[0].As<Napi::String>()); });
}

// openSocket(type, credentials)
Napi::Value open(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int type = to_type(info[0]);
    FileDescriptor socket = make_socket(type);
    if (info[1].ToBoolean()) require_credentials(socket.get());
    return SocketHandle::wrap(info.Env(), std::move(socket), type);
  });
}

// bindSocket(type, address, padded, mode, removeStale, backlog, credentials): a backlog of 0 does
// not listen. With `credentials` each message that comes tells its sender's.
Napi::Value bind(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int type = to_type(info[0]);
    const auto address = SocketAddress::parse(info[1].As<Napi::String>(), info[2].ToBoolean());
    FileDescriptor socket = make_socket(type);
    if (info[6].ToBoolean()) require_credentials(socket.get());
    const auto mode = static_cast<mode_t>(info[3].As<Napi::Number>().Uint32Value());
    auto name = std::make_unique<BoundName>(
        BoundName::bind(socket.get(), type, address, mode, info[4].As<Napi::Boolean>()));
    const int backlog = info[5].As<Napi::Number>().Int32Value();
    if (backlog > 0 && ::listen(socket.get(), backlog) != 0) {
      throw failed("listen", "cannot listen on '" + address.to_string() + "'");
    }
    return SocketHandle::wrap(info.Env(), std::move(socket), type, std::move(name));
  });
}

// socketFromDescriptor(fd, role): { handle, type, address }. The descriptor is duplicated. The role
// is 'listener', 'connection' or 'datagram'.
Napi::Value from_descriptor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    FileDescriptor socket = FileDescriptor::duplicate(info[0].As<Napi::Number>().Int32Value());
    const std::string role = info[1].As<Napi::String>();
    int type = 0;
    int listens = 0;
    socklen_t size = sizeof(int);
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
      throw failed("getsockopt", "cannot use the descriptor");
    }
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    const auto address = SocketAddress::of_socket(socket.get());
    const auto refuse = [](const char* reason) {
      return Error(error_code::kInvalidArgument, std::string("fd must be ") + reason);
    };
    if (address.address.sun_family != AF_UNIX) throw refuse("a Unix socket; it is another socket");
    if ((role == "listener") != (listens != 0)) {
      throw refuse(listens != 0 ? "a connected socket; it is a listening one"
                                : "a listening socket; it does not listen");
    }
    if ((role == "datagram") != (type == SOCK_DGRAM)) {
      throw refuse(type == SOCK_DGRAM ? "a stream or seqpacket socket; it is a datagram socket"
                                      : "a datagram socket; it is another");
    }
    sockaddr_storage peer{};
    socklen_t peer_size = sizeof(peer);
    if (role == "connection" &&
        ::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) {
      throw failed("getpeername", "cannot use the descriptor");
    }
    adopt_socket(socket.get());
    const Napi::Env env = info.Env();
    Napi::Object result = Napi::Object::New(env);
    const std::string text = address.to_string();
    if (!text.empty()) result.Set("address", text);
    result.Set("type", type_name(type));
    const Napi::Object handle = SocketHandle::wrap(env, std::move(socket), type);
    SocketHandle::Unwrap(handle)->set_shared();  // with who inherits or sends the descriptor
    result.Set("handle", handle);
    return result;
  });
}

// openSocketPair(type): [SocketHandle, SocketHandle]
Napi::Value open_pair(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    FileDescriptor one;
    FileDescriptor other;
    const int type = to_type(info[0]);
    if (!open_socket_pair(type, one, other)) {
      throw failed("socketpair", "cannot make a pair of sockets");
    }
    Napi::Array pair = Napi::Array::New(info.Env(), 2);
    pair.Set(0U, SocketHandle::wrap(info.Env(), std::move(one), type));
    pair.Set(1U, SocketHandle::wrap(info.Env(), std::move(other), type));
    return pair;
  });
}

}  // namespace

void define_sockets(Napi::Env env, Napi::Object exports) {
  SocketHandle::define(env, exports);
  define_descriptors(env, exports);
  define_peer_functions(env, exports);
  exports.Set("checkAddress", Napi::Function::New(env, check_address));
  exports.Set("openSocket", Napi::Function::New(env, open));
  exports.Set("bindSocket", Napi::Function::New(env, bind));
  exports.Set("socketFromDescriptor", Napi::Function::New(env, from_descriptor));
  exports.Set("openSocketPair", Napi::Function::New(env, open_pair));
}

}  // namespace sluice::binding
