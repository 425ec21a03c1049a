#include <algorithm>
#include <cstring>

#include "socket/ancillary.hpp"
#include "socket/socket_calls.hpp"

namespace sluice::binding {

void ControlBuffer::attach_for_receiving(msghdr& message) {
  message.msg_control = bytes_.data();
  message.msg_controllen = static_cast<decltype(message.msg_controllen)>(bytes_.size());
}

void ControlBuffer::attach_descriptors(msghdr& message, std::span<const int> descriptors) {
  if (descriptors.empty()) return;
  const size_t size = descriptors.size_bytes();
  std::fill_n(bytes_.begin(), CMSG_SPACE(size), std::byte{0});
  message.msg_control = bytes_.data();
  message.msg_controllen = static_cast<decltype(message.msg_controllen)>(CMSG_SPACE(size));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = static_cast<decltype(header->cmsg_len)>(CMSG_LEN(size));
  std::memcpy(CMSG_DATA(header), descriptors.data(), size);
}

Ancillary ControlBuffer::take(msghdr& message) {
  Ancillary result;
  if (message.msg_controllen == 0) {
    result.truncated = (message.msg_flags & MSG_CTRUNC) != 0;
    return result;
  }
  const auto* begin = static_cast<const unsigned char*>(message.msg_control);
  const unsigned char* end = begin + message.msg_controllen;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    const unsigned char* data = CMSG_DATA(header);
    // macOS leaves the length that was sent in a header whose end was cut off.
    const unsigned char* data_end =
        std::min(reinterpret_cast<const unsigned char*>(header) + header->cmsg_len, end);
    if (header->cmsg_level != SOL_SOCKET || data > data_end) continue;
    const auto length = static_cast<size_t>(data_end - data);
    if (carries_descriptors(*header)) {
      for (size_t at = 0; at + sizeof(int) <= length; at += sizeof(int)) {
        int number = -1;
        std::memcpy(&number, data + at, sizeof(number));
        FileDescriptor descriptor(number);
        make_close_on_exec(number);
        // A descriptor that nobody asked for (a pidfd) is closed here.
        if (header->cmsg_type == SCM_RIGHTS) result.descriptors.push_back(std::move(descriptor));
      }
    } else if (const auto credentials = credentials_of(*header, data, length)) {
      result.credentials = credentials;
    }
  }
  result.truncated = (message.msg_flags & MSG_CTRUNC) != 0;
  return result;
}

}  // namespace sluice::binding
