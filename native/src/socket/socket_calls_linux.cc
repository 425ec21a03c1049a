#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "socket/ancillary.hpp"
#include "socket/socket_calls.hpp"

namespace sluice::binding {
namespace {

// Since kernel 6.5; not in the headers of older systems.
constexpr int kScmPidfd = 4;

constexpr int kSocketFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;

}  // namespace

const int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
const int kReceiveFlags = MSG_CMSG_CLOEXEC | MSG_DONTWAIT;

FileDescriptor open_socket(int type) {
  return FileDescriptor(::socket(AF_UNIX, type | kSocketFlags, 0));
}

FileDescriptor accept_socket(int listener) {
  return FileDescriptor(::accept4(listener, nullptr, nullptr, kSocketFlags));
}

bool open_socket_pair(int type, FileDescriptor& one, FileDescriptor& other) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, type | kSocketFlags, 0, pair.data()) != 0) return false;
  one = FileDescriptor(pair[0]);
  other = FileDescriptor(pair[1]);
  return true;
}

void adopt_socket(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags >= 0) ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

bool carries_descriptors(const cmsghdr& header) {
  return header.cmsg_type == SCM_RIGHTS || header.cmsg_type == kScmPidfd;
}

void make_close_on_exec(int) {}  // MSG_CMSG_CLOEXEC has done it

bool pass_credentials(int descriptor) {
  const int on = 1;
  return ::setsockopt(descriptor, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0;
}

std::optional<SenderCredentials> credentials_of(const cmsghdr& header, const unsigned char* data,
                                                size_t length) {
  ucred credentials{};
  if (header.cmsg_type != SCM_CREDENTIALS || length < sizeof(credentials)) return std::nullopt;
  std::memcpy(&credentials, data, sizeof(credentials));
  return SenderCredentials{credentials.pid, credentials.uid, credentials.gid};
}

ssize_t next_message_length(int descriptor) {
  return ::recv(descriptor, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
}

bool is_at_end(int descriptor) {
  pollfd poll_one = {.fd = descriptor, .events = POLLRDHUP, .revents = 0};
  if (::poll(&poll_one, 1, 0) != 1 || (poll_one.revents & (POLLRDHUP | POLLHUP)) == 0) return false;
  // The peer has closed, but what it sent before may be waiting behind an empty message.
  int queued = 0;
  return ::ioctl(descriptor, SIOCINQ, &queued) != 0 || queued == 0;
}

bool is_shut_down(int listener) {
  pollfd poll_one = {.fd = listener, .events = POLLRDHUP, .revents = 0};
  return ::poll(&poll_one, 1, 0) == 1 && (poll_one.revents & (POLLRDHUP | POLLHUP)) != 0;
}

namespace {

// Whether a socket's queue is empty; nothing when the socket has none, because it listens.
std::optional<bool> nothing_waits(int descriptor, int type) {
  if (type == SOCK_STREAM) {  // nothing goes without a byte
    int queued = 0;
    if (::ioctl(descriptor, SIOCINQ, &queued) == 0) return queued == 0;
    return errno == EINVAL ? std::nullopt : std::optional(false);
  }
  const int on = 1;
  if (::setsockopt(descriptor, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0) return false;
  char byte = 0;
  iovec piece = {.iov_base = &byte, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  const ssize_t count = ::recvmsg(descriptor, &message, MSG_PEEK | MSG_DONTWAIT);
  // An empty message looks like the end, but for the sender's credentials, which find no room.
  if (count == 0) return (message.msg_flags & MSG_CTRUNC) == 0;
  if (count > 0) return false;
  if (errno == EAGAIN) return true;
  return errno == EINVAL || errno == ENOTCONN ? std::nullopt : std::optional(false);
}

}  // namespace

bool ends_with_nothing_unread(int descriptor, int type, std::vector<FileDescriptor>& unread) {
  if (::shutdown(descriptor, SHUT_RD) != 0) return false;
  if (const auto nothing = nothing_waits(descriptor, type)) return *nothing;
  int listens = 0;
  socklen_t size = sizeof(listens);
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0) return false;
  if (listens == 0) return true;  // it never was connected
  // Nobody can connect any more; EINVAL says so when none is left that had.
  for (;;) {
    FileDescriptor waiting = accept_socket(descriptor);
    if (!waiting.valid()) return errno == EINVAL;
    if (!ends_with_nothing_unread(waiting.get(), type, unread)) {
      unread.push_back(std::move(waiting));
    }
  }
}

}  // namespace sluice::binding
