// Addresses of Unix sockets, as users write them: a path, or '@' and a name (Linux).
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <string>

namespace sluice::binding {

class SocketAddress {
 public:
  // Throws for what no socket can be called. `padded` fills an abstract name up with NULs, as
  // Node does up to version 20; it is a different name.
  static SocketAddress parse(const std::string& text, bool padded = false);
  static SocketAddress of_socket(int descriptor);

  // To be filled by recvmsg(2): afterwards `length` says how much of it counts.
  SocketAddress() = default;

  // Empty for a socket without a name.
  std::string to_string() const;
  bool is_abstract() const;
  bool is_path() const;

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&address); }

  sockaddr_un address{};
  socklen_t length = sizeof(sockaddr_un);
};

}  // namespace sluice::binding
