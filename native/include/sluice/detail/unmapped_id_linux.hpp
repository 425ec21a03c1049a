// (unmapped_id.hpp includes this file at its end.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/detail/small_file_linux.hpp"

namespace sluice::detail {

// Without /proc: what Linux begins with.
inline uint32_t overflow_id(const char* file) {
  const std::string text = small_file(file);
  std::string_view rest = text;
  return number_of<uint32_t>(next_word(rest)).value_or(65534);
}

// Whether the map has a line for all ids there are.
inline bool maps_every_id(const char* file) {
  const std::string text = small_file(file);
  std::string_view rest = text;
  const auto inside = number_of<uint64_t>(next_word(rest));
  const auto outside = number_of<uint64_t>(next_word(rest));
  const auto length = number_of<uint64_t>(next_word(rest));
  return inside == 0 && outside == 0 && length >= UINT32_MAX;
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
