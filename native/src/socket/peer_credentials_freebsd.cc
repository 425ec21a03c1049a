#include <sys/param.h>
#include <sys/socket.h>
#include <sys/ucred.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>

#include "socket/peer_credentials.hpp"

namespace sluice::binding {

PeerCredentials PeerCredentials::of_socket(int descriptor) {
  xucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(descriptor, SOL_LOCAL, LOCAL_PEERCRED, &credentials, &size) != 0) {
    throw Error::system("getsockopt", errno, "cannot ask the socket who its peer is");
  }
  if (credentials.cr_version != XUCRED_VERSION || credentials.cr_ngroups < 1) {
    throw Error::system("getsockopt", EINVAL, "the kernel tells the peer in an unknown form");
  }
  PeerCredentials peer;
  if (credentials.cr_pid > 0) peer.pid = credentials.cr_pid;
  peer.uid = credentials.cr_uid;
  peer.gid = credentials.cr_groups[0];
  const int count = std::min<int>(credentials.cr_ngroups, XU_NGROUPS);
  peer.groups.emplace(credentials.cr_groups, credentials.cr_groups + count);
  return peer;
}

PeerProcess open_peer_process(int, std::optional<pid_t>) {
  return {};
}

std::optional<std::string> peer_security_label(int) {
  return std::nullopt;
}

int signal_process(int, int) {
  return EOPNOTSUPP;
}

bool has_exited(int) {
  return false;
}

}  // namespace sluice::binding
