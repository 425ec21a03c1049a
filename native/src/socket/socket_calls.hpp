// The calls on sockets in which systems differ. Each returns -1 and sets errno, as the system does.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <vector>

#include "sluice/detail/file_descriptor.hpp"

namespace sluice::binding {

// Repeats a call that a signal has interrupted.
template <typename Call>
auto uninterrupted(Call&& call) {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

// Close-on-exec and non-blocking, and never the cause of SIGPIPE.
FileDescriptor open_socket(int type);
FileDescriptor accept_socket(int listener);
bool open_socket_pair(int type, FileDescriptor& one, FileDescriptor& other);
// Makes a socket that somebody else made like those above.
void adopt_socket(int descriptor);

// Flags for every sendmsg and recvmsg.
extern const int kSendFlags;
extern const int kReceiveFlags;

// Whether a message of the control data holds descriptors, which then are ours to close.
bool carries_descriptors(const cmsghdr& header);
// Where recvmsg cannot do it.
void make_close_on_exec(int descriptor);
// Asks for the sender's credentials with every message; false where that is not possible.
bool pass_credentials(int descriptor);

// The length of the next message, for a socket that keeps message boundaries; more than that where
// the system does not tell it exactly, and 0 also when there is no message.
ssize_t next_message_length(int descriptor);

// After a receive of 0 bytes on a socket that keeps message boundaries: whether that was the end
// rather than an empty message.
bool is_at_end(int descriptor);

// Whether nobody can connect to a listening socket any more, although it is open.
bool is_shut_down(int listener);

// Takes nothing more from any peer, and says whether nothing waits to be read; false where that
// cannot be told. `type`: SOCK_STREAM, ... Connections that a listening socket held with something
// in them come in `unread`.
bool ends_with_nothing_unread(int descriptor, int type, std::vector<FileDescriptor>& unread);

}  // namespace sluice::binding
