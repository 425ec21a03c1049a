// The identity of the process at the other end of a Unix socket, as the kernel knows it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "sluice/detail/file_descriptor.hpp"

namespace sluice::binding {

struct PeerCredentials {
  // The credentials that the peer had when it connected; on macOS a server's are of its listen.
  static PeerCredentials of_socket(int descriptor);

  std::optional<pid_t> pid;  // none when the process is outside of this pid namespace
  uid_t uid = 0;
  gid_t gid = 0;
  std::optional<std::vector<gid_t>> groups;
};

// A descriptor of the peer's process; not valid when the system cannot say or the process is gone.
// `exact`: by the socket, so that it cannot be another process with the same number.
struct PeerProcess {
  FileDescriptor descriptor;
  bool exact = false;
};
PeerProcess open_peer_process(int descriptor, std::optional<pid_t> pid);

// The security module's label of the peer (SELinux, AppArmor).
std::optional<std::string> peer_security_label(int descriptor);

// 0, or the error number.
int signal_process(int process_descriptor, int signal);
bool has_exited(int process_descriptor);

// A group's number by its name.
std::optional<gid_t> find_group(const std::string& name);

}  // namespace sluice::binding
