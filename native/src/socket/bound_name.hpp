// The name on disk of a socket of ours: who may have it, and its removal.
//
// `<path>.lock`, held with flock(2) for the socket's life, decides who owns the path. Only its
// holder removes a socket that was left behind. The kernel lets go of the lock when the process
// dies; the file may stay, and means nothing by itself.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>
#include <utility>

#include "sluice/detail/file_descriptor.hpp"
#include "socket/socket_address.hpp"

namespace sluice::binding {

class BoundName {
 public:
  // Binds the socket; a path gets exactly this mode, and is at no time open to more. Throws
  // EADDRINUSE for a living server, and for whatever is there and is not a socket.
  static BoundName bind(int socket, int type, const SocketAddress& address, mode_t mode,
                        bool remove_stale);

  BoundName() = default;
  BoundName(BoundName&& other) noexcept { *this = std::move(other); }
  BoundName& operator=(BoundName&& other) noexcept;
  BoundName(const BoundName&) = delete;
  BoundName& operator=(const BoundName&) = delete;
  ~BoundName() { remove(); }

  // Whether the path is still this socket's.
  bool leads_here() const;
  // Removes the path, if it still is this socket's, and lets go of the lock.
  void remove();
  // Lets go of the lock and leaves the path to whoever has the socket now.
  void leave();

 private:
  void take_lock(int type, const SocketAddress& address);
  void remember_inode();
  bool remove_left_over(int type, const SocketAddress& address);

  std::string path_;  // absolute: the working directory may change; empty when there is none
  dev_t device_ = 0;
  ino_t inode_ = 0;
  FileDescriptor lock_;
};

// bind(2) such that the name on disk never is open to more than `mode`. -1 and errno, or 0.
int bind_with_mode(int socket, const SocketAddress& address, mode_t mode);
// Gives the bound path exactly this mode, where a umask has taken something away.
int set_exact_mode(const std::string& path, mode_t mode);

}  // namespace sluice::binding
