#include <algorithm>
#include <cerrno>
#include <cstddef>

#include "sluice/error.hpp"
#include "socket/socket_address.hpp"

namespace sluice::binding {
namespace {

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);
// One byte is left for a NUL, which every system then understands.
constexpr size_t kLongestName = sizeof(sockaddr_un::sun_path) - 1;

Error invalid(const std::string& message) {
  return Error(error_code::kInvalidArgument, message);
}

}  // namespace

SocketAddress SocketAddress::parse(const std::string& text, bool padded) {
  if (text.empty() || text == "@") throw invalid("address must not be empty");
  // As C and Python write an abstract name.
  if (text[0] == '\0' && text.size() > 1 && text.find('\0', 1) == std::string::npos) {
    throw invalid("address must not contain a NUL byte; the abstract name is '@" + text.substr(1) +
                  "' here");
  }
  if (text.find('\0') != std::string::npos) throw invalid("address must not contain a NUL byte");
  const bool abstract = text[0] == '@';
  const size_t length = abstract ? text.size() - 1 : text.size();
  if (length > kLongestName) {
    throw invalid("address is too long for a socket: " + std::to_string(length) +
                  " bytes, and the limit is " + std::to_string(kLongestName));
  }
#if !defined(__linux__)
  if (abstract) throw Error(error_code::kUnsupported, "abstract socket names exist on Linux only");
#endif
  SocketAddress result;
  result.address.sun_family = AF_UNIX;
  // An abstract name begins with a NUL, which stands where '@' is in the text.
  std::copy(text.begin() + (abstract ? 1 : 0), text.end(),
            result.address.sun_path + (abstract ? 1 : 0));
  // An abstract name is all of the length; a path ends at its NUL.
  result.length =
      static_cast<socklen_t>(abstract && padded ? sizeof(sockaddr_un) : kPathOffset + length + 1);
  return result;
}

SocketAddress SocketAddress::of_socket(int descriptor) {
  SocketAddress result;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&result.address), &result.length) !=
      0) {
    throw Error::system("getsockname", errno, "cannot ask the socket for its address");
  }
  return result;
}

bool SocketAddress::is_abstract() const {
  return length > kPathOffset && address.sun_path[0] == '\0';
}

bool SocketAddress::is_path() const {
  return length > kPathOffset && address.sun_path[0] != '\0';
}

std::string SocketAddress::to_string() const {
  if (length <= kPathOffset) return {};
  const size_t size = std::min<size_t>(length - kPathOffset, sizeof(address.sun_path));
  std::string bytes(address.sun_path, size);
  if (bytes[0] != '\0') return bytes.substr(0, bytes.find('\0'));
  // The padding of those who pad is no part of the name that users know.
  const size_t last = bytes.find_last_not_of('\0');
  if (last == std::string::npos) return {};
  bytes.resize(last + 1);
  bytes[0] = '@';
  return bytes;
}

}  // namespace sluice::binding
