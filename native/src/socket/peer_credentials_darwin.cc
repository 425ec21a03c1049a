#include <sys/param.h>
#include <sys/socket.h>
#include <sys/ucred.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "socket/peer_credentials.hpp"

namespace sluice::binding {

PeerCredentials PeerCredentials::of_socket(int descriptor) {
  PeerCredentials peer;
  if (::getpeereid(descriptor, &peer.uid, &peer.gid) != 0) {
    throw Error::system("getpeereid", errno, "cannot ask the socket who its peer is");
  }
  pid_t pid = 0;
  socklen_t size = sizeof(pid);
  if (::getsockopt(descriptor, SOL_LOCAL, LOCAL_PEERPID, &pid, &size) == 0 && pid > 0) {
    peer.pid = pid;
  }
  xucred credentials{};
  size = sizeof(credentials);
  if (::getsockopt(descriptor, SOL_LOCAL, LOCAL_PEERCRED, &credentials, &size) == 0 &&
      credentials.cr_version == XUCRED_VERSION) {
    const int count = std::clamp<int>(credentials.cr_ngroups, 0, NGROUPS);
    peer.groups.emplace(credentials.cr_groups, credentials.cr_groups + count);
  }
  return peer;
}

PeerProcess open_peer_process(int, std::optional<pid_t>) {
  return {};
}

std::optional<std::string> peer_security_label(int) {
  return std::nullopt;
}

int signal_process(int, int) {
  return ENOTSUP;
}

bool has_exited(int) {
  return false;
}

}  // namespace sluice::binding
