// How much memory the control groups of this process still allow (cgroups(7)). Whoever fills more
// is killed in the middle of it, which an error beforehand prevents. The figure is the best that
// can be read; another process can take the memory in between.
#pragma once

#include <sys/sysinfo.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace sluice::detail {

inline std::optional<uint64_t> number_in(const std::filesystem::path& file) {
  uint64_t number = 0;
  std::ifstream stream(file);
  if (!(stream >> number)) return std::nullopt;  // also "max", which is no limit
  return number;
}

// A field of a memory.stat; 0 when there is none.
inline uint64_t memory_stat(const std::filesystem::path& group, const std::string& field) {
  std::ifstream stream(group / "memory.stat");
  std::string name;
  uint64_t value = 0;
  while (stream >> name >> value) {
    if (name == field) return value;
  }
  return 0;
}

// The room that one group has left. File pages go when memory is short; shared memory is counted
// among them and stays.
inline std::optional<uint64_t> room_in_group(const std::filesystem::path& group, bool version_2) {
  const auto limit = number_in(group / (version_2 ? "memory.max" : "memory.limit_in_bytes"));
  const auto usage = number_in(group / (version_2 ? "memory.current" : "memory.usage_in_bytes"));
  if (!limit || !usage) return std::nullopt;
  const uint64_t files = memory_stat(group, version_2 ? "file" : "total_cache");
  const uint64_t shared = memory_stat(group, version_2 ? "shmem" : "total_shmem");
  const uint64_t kept = *usage - std::min(*usage, files - std::min(files, shared));
  const uint64_t room = *limit - std::min(*limit, kept);
  struct sysinfo system {};
  const uint64_t swap =
      ::sysinfo(&system) == 0 ? static_cast<uint64_t>(system.freeswap) * system.mem_unit : 0;
  if (!version_2) return room + swap;  // lenient: a limit of both together is not looked at
  const auto swap_limit = number_in(group / "memory.swap.max");
  const auto swap_usage = number_in(group / "memory.swap.current").value_or(0);
  return room +
         (swap_limit ? std::min(swap, *swap_limit - std::min(*swap_limit, swap_usage)) : swap);
}

// The least that the group at `path` and those above it have left. In a container the path can be
// one that is not visible there: then the root of what is.
inline std::optional<uint64_t> room_in_hierarchy(const std::filesystem::path& root,
                                                 const std::string& path, bool version_2) {
  std::error_code ignored;
  std::filesystem::path group = root / std::filesystem::path(path).relative_path();
  if (path.find("..") != std::string::npos || !std::filesystem::exists(group, ignored))
    group = root;
  std::optional<uint64_t> least;
  for (;;) {
    const auto room = room_in_group(group, version_2);
    if (room && (!least || *room < *least)) least = room;
    if (group == root || !group.has_relative_path() || group == group.parent_path()) return least;
    group = group.parent_path();
  }
}

// Nothing when there is no limit, or none that can be read.
inline std::optional<uint64_t> memory_left(const std::filesystem::path& groups = "/sys/fs/cgroup",
                                           const std::string& own = "/proc/self/cgroup") {
  std::ifstream lines(own);
  std::optional<uint64_t> least;
  for (std::string line; std::getline(lines, line);) {
    // "4:memory:/path" for version 1, "0::/path" for version 2.
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    std::optional<uint64_t> room;
    if (controllers == ",,") {
      std::error_code ignored;
      const bool hybrid = std::filesystem::exists(groups / "unified", ignored);
      room = room_in_hierarchy(hybrid ? groups / "unified" : groups, path, true);
    } else if (controllers.find(",memory,") != std::string::npos) {
      room = room_in_hierarchy(groups / "memory", path, false);
    }
    if (room && (!least || *room < *least)) least = room;
  }
  return least;
}

}  // namespace sluice::detail
