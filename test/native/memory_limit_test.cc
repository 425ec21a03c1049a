// The room that control groups leave, read from files that look like the kernel's.
#include <cstdio>

#if defined(__linux__)
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "check.hpp"
#include "sluice/shared_memory.hpp"

using namespace sluice;

namespace {

namespace fs = std::filesystem;

class Groups {
 public:
  Groups() : root_(fs::temp_directory_path() / ("sluice-groups-" + std::to_string(::getpid()))) {
    fs::create_directories(root_);
  }
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;
  ~Groups() { fs::remove_all(root_); }

  void write(const std::string& file, const std::string& text) const {
    const fs::path path = root_ / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  std::optional<uint64_t> left(const std::string& own) const {
    write("own", own);
    return detail::memory_left(root_, (root_ / "own").string());
  }

 private:
  fs::path root_;
};

void without_groups_there_is_no_limit() {
  const Groups groups;
  check::equal(groups.left("").has_value(), false);
  check::equal(groups.left("0::/").has_value(), false);
  check::equal(groups.left("nonsense").has_value(), false);
}

void the_tightest_group_counts_and_pages_of_files_do_not() {
  const Groups groups;
  groups.write("a/memory.max", "1000");
  groups.write("a/memory.current", "900");
  groups.write("a/memory.stat", "anon 100\nfile 600\nshmem 200");
  groups.write("a/memory.swap.max", "0");
  groups.write("a/memory.swap.current", "0");
  groups.write("a/b/memory.max", "max");
  groups.write("a/b/memory.current", "900");
  // 900 used, of which 400 are pages of files that can go: 500 are left.
  check::equal(groups.left("0::/a/b").value(), uint64_t{500});
  groups.write("a/b/memory.max", "950");
  groups.write("a/b/memory.swap.max", "0");
  check::equal(groups.left("0::/a/b").value(), uint64_t{50});
  // Not visible from inside of a container, where the root is the container's own.
  groups.write("memory.max", "700");
  groups.write("memory.current", "600");
  groups.write("memory.swap.max", "0");
  check::equal(groups.left("0::/not/here").value(), uint64_t{100});
  check::equal(groups.left("0::/../elsewhere").value(), uint64_t{100});
}

void version_1_is_read_too() {
  const Groups groups;
  groups.write("memory/c/memory.limit_in_bytes", "1000");
  groups.write("memory/c/memory.usage_in_bytes", "2000");
  groups.write("memory/memory.limit_in_bytes", "9223372036854771712");
  groups.write("memory/memory.usage_in_bytes", "2000");
  const auto room = groups.left("5:cpu,memory:/c\n4:pids:/c\n0::/");
  check::equal(room.has_value(), true);
  // Nothing but the machine's swap.
  struct sysinfo machine {};
  ::sysinfo(&machine);
  check::equal(*room <= static_cast<uint64_t>(machine.totalswap) * machine.mem_unit, true);
}

}  // namespace

int main(int argc, char** argv) {
  return check::run({{"without groups there is no limit", without_groups_there_is_no_limit},
                     {"the tightest group counts, and pages of files do not",
                      the_tightest_group_counts_and_pages_of_files_do_not},
                     {"version 1 is read too", version_1_is_read_too}},
                    argc, argv);
}
#else
int main() {
  std::puts("control groups are Linux's");
}
#endif
