#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include "core/byte_view.hpp"
#include "core/environment.hpp"
#include "core/errors.hpp"
#include "socket/descriptors.hpp"
#include "socket/peer_object.hpp"
#include "socket/socket_calls.hpp"
#include "socket/socket_handle.hpp"

namespace sluice::binding {
namespace {

// The most pieces for one call; more than that gains nothing.
constexpr size_t kMaxPieces = 64;

// The status of a call whose bytes have lost their memory since they were given.
constexpr int kBytesGone = -EFAULT;

iovec piece_of(std::span<std::byte> bytes) {
  return {.iov_base = bytes.data(), .iov_len = bytes.size()};
}

// Repeats what a signal has interrupted.
template <typename Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

ssize_t send_pieces(int socket, std::span<iovec> pieces) {
  if (pieces.size() == 1) {  // less for the kernel to copy and check
    const iovec& piece = pieces.front();
    return uninterrupted([&] { return ::send(socket, piece.iov_base, piece.iov_len, kSendFlags); });
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(pieces.size());
  return uninterrupted([&] { return ::sendmsg(socket, &message, kSendFlags); });
}

}  // namespace

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
                      InstanceMethod<&SocketHandle::peer>("peer"),
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
  // Descriptors that wait to be read are closed with the socket, and may linger.
  std::vector<FileDescriptor> unread;
  if (!is_shared_ && ends_with_nothing_unread(socket_.get(), unread)) {
    socket_.reset();
  } else {
    descriptors_->close(std::move(socket_));
  }
  for (FileDescriptor& connection : unread) descriptors_->close(std::move(connection));
}

Napi::Value SocketHandle::status_of(const Napi::CallbackInfo& info, ssize_t result) {
  return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
}

Napi::Value SocketHandle::descriptor(const Napi::CallbackInfo& info) {
  set_shared();  // with whomever it is sent or inherited to
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

// nextLength(): of the message that is next, at least; 0 also at the end; -EAGAIN.
Napi::Value SocketHandle::next_length(const Napi::CallbackInfo& info) {
  return status_of(info, uninterrupted([&] { return next_message_length(socket_.get()); }));
}

// atEnd(): 1 when the peer has ended, and everything that it sent was read; 0 when it has not; the
// negative error number when the connection is lost, which the system tells only once.
Napi::Value SocketHandle::at_end(const Napi::CallbackInfo& info) {
  char byte = 0;
  const ssize_t count =
      uninterrupted([&] { return ::recv(socket_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT); });
  if (count < 0 && errno != EAGAIN) return status_of(info, count);
  return Napi::Number::New(info.Env(), count == 0 && is_at_end(socket_.get()) ? 1 : 0);
}

// read(buffer, offset, length): a message, or what there is of a stream; 0 at the end; -EAGAIN. An
// empty message is the length of the buffer plus 1.
Napi::Value SocketHandle::read(const Napi::CallbackInfo& info) {
  const auto offset = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
  const auto length = static_cast<size_t>(info[2].As<Napi::Number>().Int64Value());
  const auto room = bytes_from(info.Env(), info[0], offset);
  if (!room || room->size() < length) return Napi::Number::New(info.Env(), kBytesGone);
  iovec piece = piece_of(room->first(length));
  ControlBuffer control;
  msghdr message{};
  // Only datagrams come from several senders; a connection has one peer.
  SocketAddress& sender = shared_->sender;
  if (type_ == SOCK_DGRAM) {
    message.msg_name = &sender.address;
    message.msg_namelen = sizeof(sender.address);
  }
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  control.attach_for_receiving(message);
  const ssize_t count =
      uninterrupted([&] { return ::recvmsg(socket_.get(), &message, kReceiveFlags); });
  if (count < 0) return status_of(info, count);
  sender.length = message.msg_namelen;
  SocketResults& results = *shared_->results;
  results.descriptors = 0;
  results.flags = 0;
  results.has_credentials = 0;
  if (message.msg_controllen != 0 || (message.msg_flags & MSG_CTRUNC) != 0) {
    Ancillary ancillary = ControlBuffer::take(message);
    if (ancillary.truncated) results.flags |= SocketResults::kDescriptorsLost;
    if (ancillary.credentials) {
      results.has_credentials = 1;
      results.pid = ancillary.credentials->pid;
      results.uid = static_cast<int32_t>(ancillary.credentials->uid);
      results.gid = static_cast<int32_t>(ancillary.credentials->gid);
    }
    for (FileDescriptor& descriptor : ancillary.descriptors) {
      if (ancillary.truncated) {
        descriptors_->close(std::move(descriptor));
      } else {
        results.numbers[results.descriptors++] = descriptors_->add(std::move(descriptor), true);
      }
    }
  }
  if ((message.msg_flags & MSG_TRUNC) != 0) results.flags |= SocketResults::kMessageCut;
  if (count == 0 && type_ == SOCK_SEQPACKET && !is_at_end(socket_.get())) {
    return Napi::Number::New(info.Env(), static_cast<double>(length + 1));
  }
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

// The sender's address of the datagram that was read last; undefined when it has none.
Napi::Value SocketHandle::sender(const Napi::CallbackInfo& info) {
  const std::string text = shared_->sender.to_string();
  if (text.empty()) return info.Env().Undefined();
  return Napi::String::New(info.Env(), text);
}

// write(chunks, index, end, offset): the stream's bytes from `offset` in the chunk `index` on, as
// many as go now; -EAGAIN if none do.
Napi::Value SocketHandle::write(const Napi::CallbackInfo& info) {
  const napi_env env = info.Env();
  const napi_value chunks = info[0];
  uint32_t index = info[1].As<Napi::Number>().Uint32Value();
  const uint32_t end = info[2].As<Napi::Number>().Uint32Value();
  auto offset = static_cast<size_t>(info[3].As<Napi::Number>().Int64Value());
  size_t written = 0;
  while (index < end) {
    std::array<iovec, kMaxPieces> pieces;
    size_t count = 0;
    size_t wanted = 0;
    for (; index < end && count < kMaxPieces; ++index) {
      napi_value chunk = nullptr;
      napi_get_element(env, chunks, index, &chunk);
      const auto bytes = bytes_from(env, chunk, offset);
      if (!bytes) {  // what went before is said now, and this comes again
        return Napi::Number::New(env, written == 0 ? kBytesGone : static_cast<double>(written));
      }
      pieces[count++] = piece_of(*bytes);
      wanted += bytes->size();
      offset = 0;
    }
    const ssize_t sent = send_pieces(socket_.get(), std::span(pieces).first(count));
    if (sent < 0) {
      if (written == 0) return status_of(info, sent);
      break;  // what went is said now, and the error comes again
    }
    written += static_cast<size_t>(sent);
    if (static_cast<size_t>(sent) < wanted) break;
  }
  return Napi::Number::New(env, static_cast<double>(written));
}

// send(bytes, offset, descriptors, address, padded): the last three may be undefined. Descriptors
// that went are closed here.
Napi::Value SocketHandle::send(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto offset = static_cast<size_t>(info[1].As<Napi::Number>().Int64Value());
    const auto bytes = bytes_from(info.Env(), info[0], offset);
    if (!bytes) return Napi::Value(Napi::Number::New(info.Env(), kBytesGone));
    iovec piece = piece_of(*bytes);
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    ControlBuffer control;
    OutgoingDescriptors* outgoing = nullptr;
    if (info[2].IsObject()) {
      outgoing = OutgoingDescriptors::Unwrap(info[2].As<Napi::Object>());
      control.attach_descriptors(message, outgoing->numbers());
    }
    SocketAddress address;
    if (info[3].IsString()) {
      address = SocketAddress::parse(info[3].As<Napi::String>(), info[4].ToBoolean());
      message.msg_name = &address.address;
      message.msg_namelen = address.length;
    }
    const ssize_t sent =
        uninterrupted([&] { return ::sendmsg(socket_.get(), &message, kSendFlags); });
    const Napi::Value result = status_of(info, sent);
    if (sent >= 0 && outgoing != nullptr) outgoing->clear();
    return result;
  });
}

// sendNumbers(bytes, descriptors): as `send`, with descriptors that stay the caller's.
Napi::Value SocketHandle::send_numbers(const Napi::CallbackInfo& info) {
  const auto bytes = bytes_from(info.Env(), info[0]);
  if (!bytes) return Napi::Number::New(info.Env(), kBytesGone);
  const auto list = info[1].As<Napi::Array>();
  std::array<int, kMaxDescriptors> numbers;
  const size_t count = std::min<size_t>(list.Length(), numbers.size());
  for (size_t i = 0; i < count; ++i) {
    const Napi::Value number = list[static_cast<uint32_t>(i)];
    numbers[i] = number.As<Napi::Number>().Int32Value();
  }
  iovec piece = piece_of(*bytes);
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  ControlBuffer control;
  control.attach_descriptors(message, std::span(numbers).first(count));
  return status_of(info,
                   uninterrupted([&] { return ::sendmsg(socket_.get(), &message, kSendFlags); }));
}

// accept(most): the connections that wait; the negative error number if there are none.
Napi::Value SocketHandle::accept(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const uint32_t most = info[0].As<Napi::Number>().Uint32Value();
    std::vector<FileDescriptor> accepted;
    int failure = 0;
    while (accepted.size() < most) {
      FileDescriptor socket = accept_socket(socket_.get());
      if (socket.valid()) {
        accepted.push_back(std::move(socket));
        continue;
      }
      // A client that gave up before it was accepted is no failure of the server.
      if (errno == EINTR || errno == ECONNABORTED) continue;
      failure = errno;
      break;
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

void SocketHandle::leave_name(const Napi::CallbackInfo&) {
  if (name_) name_->leave();
}

void SocketHandle::close(const Napi::CallbackInfo&) {
  close_socket();
}

}  // namespace sluice::binding
