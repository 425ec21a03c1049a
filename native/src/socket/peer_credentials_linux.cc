#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cerrno>
#include <utility>

#include "socket/peer_credentials.hpp"

namespace sluice::binding {
namespace {

// Own declarations: the headers of older systems have neither (kernels 4.13, 6.5).
constexpr int kSoPeerGroups = 59;
constexpr int kSoPeerPidfd = 77;

Error failed(const char* what) {
  return Error::system("getsockopt", errno, what);
}

std::optional<std::vector<gid_t>> peer_groups(int descriptor) {
  std::vector<gid_t> groups(32);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = ::getsockopt(descriptor, SOL_SOCKET, kSoPeerGroups, groups.data(), &size);
    const size_t count = size / sizeof(gid_t);
    if (result != 0 && errno == ERANGE && count > groups.size()) {
      groups.resize(count);  // the kernel has said how many there are
      continue;
    }
    if (result != 0) return std::nullopt;
    return std::vector<gid_t>(groups.begin(), groups.begin() + static_cast<ptrdiff_t>(count));
  }
}

}  // namespace

PeerCredentials PeerCredentials::of_socket(int descriptor) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  // The kernel would name whoever listens: ourselves.
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0) {
    errno = ENOTCONN;
    throw failed("the socket listens: it has no peer, those that it accepts have");
  }
  ucred credentials{};
  size = sizeof(credentials);
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    throw failed("cannot ask the socket who its peer is");
  }
  // An unconnected socket has no peer; the kernel then reports the user -1.
  if (credentials.uid == static_cast<uid_t>(-1)) {
    errno = ENOTCONN;
    throw failed("the socket has no peer: it is not a connected Unix socket");
  }
  PeerCredentials peer;
  if (credentials.pid > 0) peer.pid = credentials.pid;
  peer.uid = credentials.uid;
  peer.gid = credentials.gid;
  peer.groups = peer_groups(descriptor);
  return peer;
}

PeerProcess open_peer_process(int descriptor, std::optional<pid_t> pid) {
  int process = -1;
  socklen_t size = sizeof(process);
  if (::getsockopt(descriptor, SOL_SOCKET, kSoPeerPidfd, &process, &size) == 0) {
    return {FileDescriptor(process), true};
  }
  if (errno == ENOPROTOOPT && !pid) {
    throw Error(
        error_code::kUnsupported,
        "the peer's process is outside of the pid namespace of this one, and only Linux 6.5 "
        "and later can find it there");
  }
  if (errno == ENOPROTOOPT) {
    // By its number it could be a process that came after the peer.
    FileDescriptor found(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
    if (found.valid()) return {std::move(found), false};
  }
  // Each kernel has its own way to say that there is no such process any more.
  const bool gone = errno == ESRCH || errno == EINVAL || errno == ENODATA || errno == ENOPROTOOPT;
  if (!gone) throw failed("cannot ask for the process of the peer");
  return {};
}

std::optional<std::string> peer_security_label(int descriptor) {
  std::string label(256, '\0');
  for (;;) {
    auto size = static_cast<socklen_t>(label.size());
    const int result = ::getsockopt(descriptor, SOL_SOCKET, SO_PEERSEC, label.data(), &size);
    if (result != 0 && errno == ERANGE && size > label.size()) {
      label.resize(size);
      continue;
    }
    if (result != 0) return std::nullopt;
    label.resize(size);
    // Some modules count the NUL.
    while (!label.empty() && label.back() == '\0') label.pop_back();
    if (label.empty()) return std::nullopt;
    return label;
  }
}

int signal_process(int process_descriptor, int signal) {
  return ::syscall(SYS_pidfd_send_signal, process_descriptor, signal, nullptr, 0) == 0 ? 0 : errno;
}

bool has_exited(int process_descriptor) {
  pollfd poll_one = {.fd = process_descriptor, .events = POLLIN, .revents = 0};
  return ::poll(&poll_one, 1, 0) == 1;
}

}  // namespace sluice::binding
