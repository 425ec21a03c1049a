#include <poll.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>

#include "socket/ancillary.hpp"
#include "socket/socket_calls.hpp"

namespace sluice::binding {
namespace {

// There are no flags for it in socket(2) and accept(2).
FileDescriptor prepared(int number) {
  FileDescriptor socket(number);
  if (!socket.valid()) return socket;
  make_close_on_exec(number);
  adopt_socket(number);
  return socket;
}

}  // namespace

const int kSendFlags = MSG_DONTWAIT;  // SO_NOSIGPIPE stands in for MSG_NOSIGNAL
const int kReceiveFlags = MSG_DONTWAIT;

FileDescriptor open_socket(int type) {
  return prepared(::socket(AF_UNIX, type, 0));
}

FileDescriptor accept_socket(int listener) {
  return prepared(::accept(listener, nullptr, nullptr));
}

bool open_socket_pair(int type, FileDescriptor& one, FileDescriptor& other) {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, type, 0, pair.data()) != 0) return false;
  one = prepared(pair[0]);
  other = prepared(pair[1]);
  return true;
}

void adopt_socket(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags >= 0) ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
}

bool carries_descriptors(const cmsghdr& header) {
  return header.cmsg_type == SCM_RIGHTS;
}

void make_close_on_exec(int descriptor) {
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

bool pass_credentials(int) {
  return false;
}

std::optional<SenderCredentials> credentials_of(const cmsghdr&, const unsigned char*, size_t) {
  return std::nullopt;
}

ssize_t next_message_length(int descriptor) {
  int length = 0;
  socklen_t size = sizeof(length);
  return ::getsockopt(descriptor, SOL_SOCKET, SO_NREAD, &length, &size) == 0 ? length : -1;
}

// There is no SEQPACKET: nothing that could be empty and not the end.
bool is_at_end(int) {
  return true;
}

bool is_shut_down(int listener) {
  pollfd poll_one = {.fd = listener, .events = POLLIN, .revents = 0};
  return ::poll(&poll_one, 1, 0) == 1 && (poll_one.revents & POLLHUP) != 0;
}

// Here a shutdown itself closes the descriptors that wait.
bool ends_with_nothing_unread(int, int, std::vector<FileDescriptor>&) {
  return false;
}

}  // namespace sluice::binding
