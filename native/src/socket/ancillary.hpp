// Ancillary data travels beside the bytes of a message: descriptors, credentials (unix(7),
// cmsg(3)).
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "sluice/detail/file_descriptor.hpp"

namespace sluice::binding {

// The kernel's most for one message (SCM_MAX_FD).
inline constexpr size_t kMaxDescriptors = 253;

struct SenderCredentials {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

struct Ancillary {
  std::vector<FileDescriptor> descriptors;
  std::optional<SenderCredentials> credentials;
  bool truncated = false;  // descriptors were lost, beside those that came
};

// The control part of one sendmsg or recvmsg.
class ControlBuffer {
 public:
  // Before recvmsg.
  void attach_for_receiving(msghdr& message);
  // Before sendmsg. At most kMaxDescriptors.
  void attach_descriptors(msghdr& message, std::span<const int> descriptors);
  // After recvmsg: takes what came, and owns every descriptor from then on.
  static Ancillary take(msghdr& message);

 private:
  static constexpr size_t kSpace = CMSG_SPACE(kMaxDescriptors * sizeof(int)) + 256;

  alignas(cmsghdr) std::array<std::byte, kSpace> bytes_;
};

// The sender's credentials, if this control message holds them.
std::optional<SenderCredentials> credentials_of(const cmsghdr& header, const unsigned char* data,
                                                size_t length);

}  // namespace sluice::binding
