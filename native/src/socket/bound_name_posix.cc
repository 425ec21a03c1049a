#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>

#include "socket/bound_inode.hpp"
#include "socket/bound_name.hpp"
#include "socket/peer_credentials.hpp"
#include "socket/socket_calls.hpp"

namespace sluice::binding {
namespace {

Error cannot_bind(const std::string& path, const char* syscall, int number,
                  const std::string& why) {
  return Error::system(syscall, number, "cannot bind to '" + path + "': " + why, path);
}

Error failed(const std::string& path, const char* syscall, int number = errno) {
  return cannot_bind(path, syscall, number, std::generic_category().message(number));
}

std::string absolute(const std::string& path) {
  if (path[0] == '/') return path;
  std::array<char, PATH_MAX> directory{};
  if (::getcwd(directory.data(), directory.size()) == nullptr) throw failed(path, "getcwd");
  return std::string(directory.data()) + "/" + path;
}

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

std::string lock_path(const std::string& path) {
  return path + ".lock";
}

// Whether no socket is behind the name any more. Only ECONNREFUSED can say so: a full backlog is
// EAGAIN, and a socket of another type EPROTOTYPE. A socket that does not listen yet refuses, too.
bool is_abandoned(int type, const SocketAddress& address, const struct stat& status) {
  const FileDescriptor probe = open_socket(type);
  return probe.valid() && ::connect(probe.get(), address.data(), address.length) != 0 &&
         errno == ECONNREFUSED && !is_bound_inode(status);
}

std::string process(pid_t pid) {
  return pid == ::getpid() ? "this process" : "process " + std::to_string(pid);
}

// A sentence about the file that stands at the path: whose it is, and what can be done about it.
std::string occupant(int type, const SocketAddress& address, const std::string& path,
                     bool remove_stale) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    return "there is something that is not a socket; it is left alone";
  }
  // Asked only where a connection was tried before: it is one more that the server has to accept.
  if (!remove_stale) {
    return "a socket is there, perhaps one that was left behind: with removeStale it is removed if "
           "nobody listens";
  }
  std::string who = "a server";
  const FileDescriptor probe = open_socket(type);
  if (type != SOCK_DGRAM && probe.valid() &&
      ::connect(probe.get(), address.data(), address.length) == 0) {
    try {
      const auto peer = PeerCredentials::of_socket(probe.get());
      if (peer.pid) who = process(*peer.pid);
    } catch (const Error&) {
      // Then it has no number.
    }
  }
  return who +
         " listens there; close that server, or share it: give its descriptor to this one as { fd "
         "}";
}

// While somebody holds the lock of the path.
std::string holder(const std::string& path, const std::string& lock, const struct stat& locked) {
  const auto pid = lock_holder(locked);
  std::string text = (pid ? process(*pid) : std::string("a server")) +
                     " is there, and holds its lock, '" + lock + "'";
  struct stat ignored {};
  if (::lstat(path.c_str(), &ignored) != 0) {
    return text +
           ", although the socket itself was removed; with removeStale: false the path can be "
           "bound "
           "without the lock";
  }
  return text +
         "; close that server first, or share it (cluster workers, a restart without a gap): give "
         "its "
         "descriptor to this one as { fd }";
}

// The text for a path that cannot be bound because something is not there.
std::string missing(const std::string& path) {
  const std::string directory = path.substr(0, std::max<size_t>(path.rfind('/'), 1));
  struct stat ignored {};
  if (::stat(directory.c_str(), &ignored) == 0) return std::generic_category().message(ENOENT);
  return "its directory, '" + directory +
         "', does not exist; make it, or let it be made with options.makeDirectory";
}

std::string cannot_open_lock(const std::string& lock, int number) {
  if (number == ENOENT) return missing(lock);
  const std::string what = "its lock, '" + lock + "', cannot be opened: ";
  const std::string reason = what + std::generic_category().message(number);
  struct stat status {};
  if (number != EACCES || ::lstat(lock.c_str(), &status) != 0) return reason;
  return reason + "; it belongs to user " + std::to_string(status.st_uid) +
         ": remove it if no server of that user runs there";
}

// Removes the lock file of somebody else that nobody holds: whoever may write to the directory may
// do that.
bool remove_left_over_lock(const std::string& lock, int type, const SocketAddress& address,
                           const std::string& path) {
  struct stat status {};
  if (::lstat(lock.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_size != 0 ||
      lock_holder(status)) {
    return false;
  }
  // A holder in another pid namespace is not listed; its socket tells of it.
  struct stat socket {};
  if (::lstat(path.c_str(), &socket) == 0 &&
      (!S_ISSOCK(socket.st_mode) || !is_abandoned(type, address, socket))) {
    return false;
  }
  return ::unlink(lock.c_str()) == 0;
}

}  // namespace

BoundName BoundName::bind(int socket, int type, const SocketAddress& address, mode_t mode,
                          bool remove_stale) {
  BoundName name;
  const std::string text = address.to_string();
  if (!address.is_path()) {
    if (::bind(socket, address.data(), address.length) == 0) return name;
    throw failed(text, "bind");
  }
  name.path_ = absolute(text);
  if (remove_stale) name.take_lock(type, address);
  if (bind_with_mode(socket, address, mode) != 0) {
    if (errno == ENOENT) throw cannot_bind(text, "bind", ENOENT, missing(name.path_));
    if (errno != EADDRINUSE) throw failed(text, "bind");
    if (!remove_stale || !name.remove_left_over(type, address)) {
      throw cannot_bind(text, "bind", EADDRINUSE,
                        occupant(type, address, name.path_, remove_stale));
    }
    if (bind_with_mode(socket, address, mode) != 0) throw failed(text, "bind");
  }
  name.remember_inode();
  if (set_exact_mode(name.path_, mode) != 0) throw failed(text, "chmod");
  return name;
}

BoundName& BoundName::operator=(BoundName&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
    device_ = other.device_;
    inode_ = std::exchange(other.inode_, 0);
    lock_ = std::move(other.lock_);
  }
  return *this;
}

void BoundName::take_lock(int type, const SocketAddress& address) {
  const std::string lock = lock_path(path_);
  // Whoever had the lock may remove its file between our open and our flock; then we hold a lock
  // that nobody else would find, and try again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    // O_NONBLOCK: somebody may have put a FIFO there.
    FileDescriptor file(::open(
        lock.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600));
    if (!file.valid()) {
      const int number = errno;
      if (number == EACCES && remove_left_over_lock(lock, type, address, path_)) continue;
      throw cannot_bind(path_, "open", number, cannot_open_lock(lock, number));
    }
    struct stat opened {};
    if (::fstat(file.get(), &opened) != 0) throw failed(lock, "fstat");
    if (!S_ISREG(opened.st_mode)) {
      throw cannot_bind(path_, "open", EADDRINUSE, "'" + lock + "' is not a regular file");
    }
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) throw failed(lock, "flock");
      throw cannot_bind(path_, "bind", EADDRINUSE, holder(path_, lock, opened));
    }
    struct stat found {};
    if (::lstat(lock.c_str(), &found) == 0 && same_file(opened, found)) {
      lock_ = std::move(file);
      return;
    }
  }
  throw cannot_bind(path_, "bind", EADDRINUSE, "'" + lock + "' changes all the time");
}

bool BoundName::remove_left_over(int type, const SocketAddress& address) {
  struct stat before {};
  if (::lstat(path_.c_str(), &before) != 0) return errno == ENOENT;
  if (!S_ISSOCK(before.st_mode) || !is_abandoned(type, address, before)) return false;
  struct stat after {};
  if (::lstat(path_.c_str(), &after) != 0) return errno == ENOENT;
  return same_file(before, after) && ::unlink(path_.c_str()) == 0;
}

void BoundName::remember_inode() {
  struct stat status {};
  if (::lstat(path_.c_str(), &status) != 0) throw failed(path_, "lstat");
  device_ = status.st_dev;
  inode_ = status.st_ino;
}

bool BoundName::leads_here() const {
  struct stat status {};
  return inode_ != 0 && ::lstat(path_.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) &&
         status.st_dev == device_ && status.st_ino == inode_;
}

void BoundName::remove() {
  if (leads_here()) ::unlink(path_.c_str());
  leave();
}

void BoundName::leave() {
  struct stat held {};
  struct stat found {};
  // The lock's file is removed while it is locked. One with something in it is not ours, nor is one
  // that somebody has put in its place.
  if (lock_.valid() && ::fstat(lock_.get(), &held) == 0 && held.st_size == 0 &&
      ::lstat(lock_path(path_).c_str(), &found) == 0 && same_file(held, found)) {
    ::unlink(lock_path(path_).c_str());
  }
  lock_.reset();
  inode_ = 0;
  path_.clear();
}

}  // namespace sluice::binding
