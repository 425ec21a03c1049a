// How much memory the control groups of this process still allow (cgroups(7)). Whoever fills more
// is killed in the middle of it, which an error beforehand prevents. The figure is the best that
// can be read; another process can take the memory in between.
#pragma once

#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/detail/small_file_linux.hpp"

namespace sluice::detail {

inline std::optional<uint64_t> number_in(const std::string& file) {
  const std::string text = small_file(file);
  std::string_view rest = text;
  return number_of<uint64_t>(next_word(rest));  // nothing for "max", too, which is no limit
}

// A field of a memory.stat; 0 when there is none.
inline uint64_t memory_stat(const std::string& group, std::string_view field) {
  const std::string text = small_file(group + "/memory.stat");
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = next_line(rest);
    if (next_word(line) == field) return number_of<uint64_t>(next_word(line)).value_or(0);
  }
  return 0;
}

// The room that one group has left. File pages go when memory is short; shared memory is counted
// among them and stays.
inline std::optional<uint64_t> room_in_group(const std::string& group, bool version_2) {
  const auto limit = number_in(group + (version_2 ? "/memory.max" : "/memory.limit_in_bytes"));
  const auto usage = number_in(group + (version_2 ? "/memory.current" : "/memory.usage_in_bytes"));
  if (!limit || !usage) return std::nullopt;
  const uint64_t files = memory_stat(group, version_2 ? "file" : "total_cache");
  const uint64_t shared = memory_stat(group, version_2 ? "shmem" : "total_shmem");
  const uint64_t kept = *usage - std::min(*usage, files - std::min(files, shared));
  const uint64_t room = *limit - std::min(*limit, kept);
  struct sysinfo system {};
  const uint64_t swap =
      ::sysinfo(&system) == 0 ? static_cast<uint64_t>(system.freeswap) * system.mem_unit : 0;
  if (!version_2) return room + swap;  // lenient: a limit of both together is not looked at
  const auto swap_limit = number_in(group + "/memory.swap.max");
  const auto swap_usage = number_in(group + "/memory.swap.current").value_or(0);
  return room +
         (swap_limit ? std::min(swap, *swap_limit - std::min(*swap_limit, swap_usage)) : swap);
}

inline bool there_is(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

// The least that the group at `path` and those above it have left. In a container the path can be
// one that is not visible there: then the root of what is.
inline std::optional<uint64_t> room_in_hierarchy(const std::string& root, const std::string& path,
                                                 bool version_2) {
  std::string group = root + "/" + path;
  if (path.find("..") != std::string::npos || !there_is(group)) group = root;
  std::optional<uint64_t> least;
  for (;;) {
    while (group.size() > root.size() && group.back() == '/') group.pop_back();
    const auto room = room_in_group(group, version_2);
    if (room && (!least || *room < *least)) least = room;
    if (group.size() <= root.size()) return least;
    group.resize(group.rfind('/'));
  }
}

// Nothing when there is no limit, or none that can be read.
inline std::optional<uint64_t> memory_left(const std::string& groups = "/sys/fs/cgroup",
                                           const std::string& own = "/proc/self/cgroup") {
  const std::string text = small_file(own);
  std::optional<uint64_t> least;
  for (std::string_view rest = text; !rest.empty();) {
    // "4:memory:/path" for version 1, "0::/path" for version 2.
    const std::string line(next_line(rest));
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    std::optional<uint64_t> room;
    if (controllers == ",,") {
      const bool hybrid = there_is(groups + "/unified");
      room = room_in_hierarchy(hybrid ? groups + "/unified" : groups, path, true);
    } else if (controllers.find(",memory,") != std::string::npos) {
      room = room_in_hierarchy(groups + "/memory", path, false);
    }
    if (room && (!least || *room < *least)) least = room;
  }
  return least;
}

}  // namespace sluice::detail
