#include <fcntl.h>
#include <poll.h>
#include <sys/filio.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/ucred.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "socket/ancillary.hpp"
#include "socket/socket_calls.hpp"

namespace sluice::binding {
namespace {

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
  return header.cmsg_type == SCM_RIGHTS;
}

void make_close_on_exec(int) {}  // MSG_CMSG_CLOEXEC has done it

bool pass_credentials(int descriptor) {
  const int on = 1;
  return ::setsockopt(descriptor, SOL_LOCAL, LOCAL_CREDS_PERSISTENT, &on, sizeof(on)) == 0;
}

std::optional<SenderCredentials> credentials_of(const cmsghdr& header, const unsigned char* data,
                                                size_t length) {
  if (header.cmsg_type != SCM_CREDS2 || length < sizeof(sockcred2)) return std::nullopt;
  sockcred2 credentials;
  std::memcpy(&credentials, data, sizeof(credentials));
  return SenderCredentials{credentials.sc_pid, credentials.sc_euid, credentials.sc_egid};
}

// The length of all messages together: there is no call for one.
ssize_t next_message_length(int descriptor) {
  int length = 0;
  return ::ioctl(descriptor, FIONREAD, &length) == 0 ? length : -1;
}

// An empty message cannot be told from the end here.
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
