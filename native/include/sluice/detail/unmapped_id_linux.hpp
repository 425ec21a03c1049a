// (unmapped_id.hpp includes this file at its end.)
#pragma once

#include <cstdint>
#include <fstream>

namespace sluice::detail {

// Without /proc: what Linux begins with.
inline uint32_t overflow_id(const char* file) {
  uint32_t id = 65534;
  std::ifstream(file) >> id;
  return id;
}

// Whether the map has a line for all ids there are.
inline bool maps_every_id(const char* file) {
  std::ifstream map(file);
  uint64_t inside = 0;
  uint64_t outside = 0;
  uint64_t length = 0;
  return map >> inside >> outside >> length && inside == 0 && length >= UINT32_MAX;
}

inline bool is_unmapped_user(uid_t uid) {
  static const uint32_t overflow = overflow_id("/proc/sys/kernel/overflowuid");
  return uid == overflow && !maps_every_id("/proc/self/uid_map");
}

inline bool is_unmapped_group(gid_t gid) {
  static const uint32_t overflow = overflow_id("/proc/sys/kernel/overflowgid");
  return gid == overflow && !maps_every_id("/proc/self/gid_map");
}

}  // namespace sluice::detail
