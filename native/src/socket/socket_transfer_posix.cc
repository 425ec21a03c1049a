// The calls of a socket that move data, with descriptors and credentials beside it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "core/byte_view.hpp"
#include "core/errors.hpp"
#include "socket/ancillary.hpp"
#include "socket/descriptors.hpp"
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
  if (count == 0 && type_ == SOCK_STREAM && length > 0) at_end_ = true;
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

}  // namespace sluice::binding
