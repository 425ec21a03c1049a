#include <grp.h>

#include <cerrno>

#include "socket/peer_credentials.hpp"

namespace sluice::binding {

std::optional<gid_t> find_group(const std::string& name) {
  std::vector<char> buffer(1024);
  for (;;) {
    group entry{};
    group* found = nullptr;
    const int failure = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (failure == ERANGE) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (found == nullptr) return std::nullopt;
    return entry.gr_gid;
  }
}

}  // namespace sluice::binding
