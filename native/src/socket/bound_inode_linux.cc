// The kernel's list of Unix sockets, by sock_diag(7).
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/detail/small_file_linux.hpp"
#include "socket/bound_inode.hpp"

namespace sluice::binding {
namespace {

// In bytes: more locks than some ten thousand are not looked through.
constexpr size_t kMostLocks = 1 << 20;

struct Request {
  nlmsghdr header;
  unix_diag_req body;
};

// The kernel's own form of a device number, which user space sees in another.
bool same_device(uint32_t kernel_device, dev_t device) {
  return (kernel_device >> 20) == major(device) && (kernel_device & 0xfffff) == minor(device);
}

std::optional<unix_diag_vfs> inode_of(const nlmsghdr& message) {
  const auto* body = static_cast<const unsigned char*>(NLMSG_DATA(&message));
  size_t left = message.nlmsg_len - NLMSG_LENGTH(sizeof(unix_diag_msg));
  const unsigned char* at = body + NLMSG_ALIGN(sizeof(unix_diag_msg));
  while (left >= sizeof(rtattr)) {
    rtattr attribute{};
    std::memcpy(&attribute, at, sizeof(attribute));
    if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > left) break;
    if (attribute.rta_type == UNIX_DIAG_VFS &&
        attribute.rta_len >= RTA_LENGTH(sizeof(unix_diag_vfs))) {
      unix_diag_vfs inode{};
      std::memcpy(&inode, at + RTA_LENGTH(0), sizeof(inode));
      return inode;
    }
    const size_t step = RTA_ALIGN(attribute.rta_len);
    if (step > left) break;
    at += step;
    left -= step;
  }
  return std::nullopt;
}

FileDescriptor ask() {
  FileDescriptor diagnosis(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  Request request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = AF_UNIX;
  request.body.udiag_states = ~0U;
  request.body.udiag_show = UDIAG_SHOW_VFS;
  if (!diagnosis.valid() || ::send(diagnosis.get(), &request, sizeof(request), 0) < 0) return {};
  return diagnosis;
}

}  // namespace

bool is_bound_inode(const struct stat& status) {
  const FileDescriptor diagnosis = ask();
  if (!diagnosis.valid()) return false;
  alignas(nlmsghdr) std::array<std::byte, 32768> buffer;
  for (;;) {
    // The kernel answers within the call: there is nothing to wait for.
    const ssize_t count = ::recv(diagnosis.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count <= 0) return false;
    auto left = static_cast<unsigned int>(count);
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
         message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) return false;
      if (message->nlmsg_len < NLMSG_LENGTH(sizeof(unix_diag_msg))) continue;
      const auto inode = inode_of(*message);
      // The kernel tells the lower half of the inode's number.
      if (inode && inode->udiag_vfs_ino == static_cast<uint32_t>(status.st_ino) &&
          same_device(inode->udiag_vfs_dev, status.st_dev)) {
        return true;
      }
    }
  }
}

// "1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF"; those of other pid namespaces are not listed.
std::optional<pid_t> lock_holder(const struct stat& status) {
  const std::string locks = detail::small_file("/proc/locks", kMostLocks);
  for (std::string_view rest = locks; !rest.empty();) {
    std::string_view line = detail::next_line(rest);
    detail::next_word(line);  // its number
    if (detail::next_word(line) != "FLOCK") continue;
    detail::next_word(line);  // advisory
    detail::next_word(line);  // read or write
    const pid_t pid = detail::number_of<pid_t>(detail::next_word(line)).value_or(0);
    const std::string file(detail::next_word(line));
    unsigned int device_major = 0;
    unsigned int device_minor = 0;
    unsigned long long inode = 0;
    if (std::sscanf(file.c_str(), "%x:%x:%llu", &device_major, &device_minor, &inode) != 3)
      continue;
    if (inode == status.st_ino && device_major == major(status.st_dev) &&
        device_minor == minor(status.st_dev) && pid > 0) {
      return pid;
    }
  }
  return std::nullopt;
}

}  // namespace sluice::binding
