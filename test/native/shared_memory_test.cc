// Shared memory by name, without a name, by descriptor and from files.
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstring>
#include <fstream>

#include "processes.hpp"

using namespace sluice;
using namespace fixtures;

namespace {

mode_t mode_of(const SharedMemory& memory) {
  return detail::file_status(memory.descriptor(), memory.name()).st_mode & 07777;
}

void put(const SharedMemory& memory, std::string_view text) {
  std::memcpy(memory.data(), text.data(), text.size());
}

std::string get(const SharedMemory& memory, size_t length) {
  return text_of({memory.data(), length});
}

void what_one_writes_the_other_reads() {
  const TemporaryName name;
  const SharedMemory first = SharedMemory::create(name.get(), {.size = 5000});
  check::equal(first.size(), 5000u);
  check::equal(get(first, 3), std::string(3, '\0'));
  const SharedMemory second = SharedMemory::open(name.get().substr(1));
  check::equal(second.name(), name.get());
  put(first, "ping");
  check::equal(get(second, 4), "ping");
  put(second, "pong");
  check::equal(get(first, 4), "pong");
}

void an_existing_name_is_refused_or_opened() {
  const TemporaryName name;
  const SharedMemory first = SharedMemory::create(name.get(), {.size = 4096});
  const Error error =
      check::throws(error_code::kSystem, [&] { SharedMemory::create(name.get(), {.size = 4096}); });
  check::equal(error.number(), EEXIST);
  check::equal(std::string(error.syscall()), "shm_open");
  put(first, "kept");
  const SharedMemory second = SharedMemory::create(name.get(), {.size = 4096, .exclusive = false});
  check::equal(get(second, 4), "kept");
  check::throws(error_code::kInvalidArgument,
                [&] { SharedMemory::create(name.get(), {.size = 8192, .exclusive = false}); });
}

void a_missing_name_is_enoent() {
  const Error error =
      check::throws(error_code::kSystem, [] { SharedMemory::open("/sluice-test-missing"); });
  check::equal(error.number(), ENOENT);
  check::equal(error.address(), "/sluice-test-missing");
  check::throws(error_code::kSystem, [] { SharedMemory::unlink("/sluice-test-missing"); });
}

void bad_names_are_refused() {
  for (const std::string& name :
       {std::string(), std::string("/"), std::string("a/b"), std::string("//a"), std::string("."),
        std::string("/.."), std::string("a\0b", 3), std::string(255, 'x')}) {
    check::throws(error_code::kInvalidArgument, [&] { SharedMemory::canonical_name(name); });
  }
  const std::string longest = "sluice-test-" + std::string(254 - 12, 'x');
  const SharedMemory memory = SharedMemory::create(longest, {.size = 1});
  SharedMemory::unlink(longest);
}

void the_mode_is_exact_whatever_the_umask() {
  for (const mode_t mask : {0u, 022u, 0777u}) {
    const mode_t before = ::umask(mask);
    const TemporaryName private_name;
    const TemporaryName shared_name;
    const mode_t private_mode = mode_of(SharedMemory::create(private_name.get(), {.size = 1}));
    const mode_t shared_mode =
        mode_of(SharedMemory::create(shared_name.get(), {.size = 1, .mode = 0666}));
    ::umask(before);
    check::equal(private_mode, 0600u);
    check::equal(shared_mode, 0666u);
  }
}

void too_little_room_is_enospc_and_leaves_no_name() {
  struct statvfs status = {};
  check::equal(::statvfs("/dev/shm", &status), 0);
  const uint64_t too_much = uint64_t{status.f_blocks} * status.f_frsize + (1 << 20);
  const TemporaryName name;
  const Error error = check::throws(error_code::kSystem,
                                    [&] { SharedMemory::create(name.get(), {.size = too_much}); });
  check::equal(error.number(), ENOSPC);
  check::equal(std::string(error.syscall()), "posix_fallocate");
  check::that(std::string(error.what()).find("is /dev/shm full") != std::string::npos,
              error.what());
  check::that(!name.exists(), "the name is gone");
}

void impossible_sizes_leave_no_name() {
  for (const uint64_t size : {uint64_t{0}, UINT64_MAX, uint64_t{1} << 63}) {
    const TemporaryName name;
    check::throws(error_code::kSystem, [&] { SharedMemory::create(name.get(), {.size = size}); });
    check::that(!name.exists(), "the name is gone");
  }
}

void an_object_without_bytes_is_told_apart() {
  const TemporaryName name;
  const FileDescriptor descriptor(::shm_open(name.get().c_str(), O_RDWR | O_CREAT, 0600));
  try {
    SharedMemory::open(name.get());
    check::fail("nothing was thrown");
  } catch (const EmptyMemory&) {
  }
}

void anonymous_memory_is_sealed_against_every_change_of_size() {
  const SharedMemory memory = SharedMemory::anonymous(8192);
  check::equal(memory.name(), "");
  check::equal(::ftruncate(memory.descriptor().get(), 4096), -1);
  check::equal(::ftruncate(memory.descriptor().get(), 16384), -1);
  check::equal(::fcntl(memory.descriptor().get(), F_ADD_SEALS, F_SEAL_WRITE), -1);
  const SharedMemory unsealed = SharedMemory::anonymous(8192, false);
  check::equal(::ftruncate(unsealed.descriptor().get(), 16384), 0);
}

void a_received_descriptor_must_be_sealed_memory() {
  const SharedMemory sealed = SharedMemory::anonymous(4096);
  put(sealed, "sealed");
  check::equal(get(SharedMemory::from_descriptor(sealed.descriptor().get()), 6), "sealed");

  const SharedMemory unsealed = SharedMemory::anonymous(4096, false);
  const int descriptor = unsealed.descriptor().get();
  check::throws(error_code::kUnsealed, [&] { SharedMemory::from_descriptor(descriptor); });
  check::equal(SharedMemory::from_descriptor(descriptor, false).size(), 4096u);

  const TemporaryName name;
  const SharedMemory named = SharedMemory::create(name.get(), {.size = 4096});
  check::throws(error_code::kUnsealed,
                [&] { SharedMemory::from_descriptor(named.descriptor().get()); });

  const FileDescriptor device(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  check::throws(error_code::kInvalidArgument,
                [&] { SharedMemory::from_descriptor(device.get(), false); });
  check::throws(error_code::kSystem, [] { SharedMemory::from_descriptor(-1); });
  check::throws(error_code::kSystem, [] { SharedMemory::from_descriptor(1 << 20); });
}

void a_received_descriptor_stays_the_callers() {
  const SharedMemory memory = SharedMemory::anonymous(4096);
  { const SharedMemory other = SharedMemory::from_descriptor(memory.descriptor().get()); }
  check::that(::fcntl(memory.descriptor().get(), F_GETFD) >= 0, "it is open");
}

void descriptors_are_close_on_exec() {
  const TemporaryName name;
  const SharedMemory named = SharedMemory::create(name.get(), {.size = 4096});
  const SharedMemory opened = SharedMemory::open(name.get());
  const SharedMemory anonymous = SharedMemory::anonymous(4096);
  const SharedMemory received = SharedMemory::from_descriptor(anonymous.descriptor().get());
  for (const SharedMemory* memory : {&named, &opened, &anonymous, &received}) {
    check::equal(::fcntl(memory->descriptor().get(), F_GETFD), FD_CLOEXEC);
  }
}

void a_write_to_read_only_memory_stays_private() {
  const TemporaryName name;
  const SharedMemory memory = SharedMemory::create(name.get(), {.size = 4096});
  put(memory, "original");
  const SharedMemory reader = SharedMemory::open(name.get(), Access::kReadOnly);
  check::equal(get(reader, 8), "original");
  put(reader, "scribble");
  check::equal(get(reader, 8), "scribble");
  check::equal(get(memory, 8), "original");
}

void memory_outlives_its_name_and_moves() {
  const TemporaryName name;
  SharedMemory memory = SharedMemory::create(name.get(), {.size = 4096});
  SharedMemory::unlink(name.get());
  put(memory, "still here");
  const SharedMemory moved = std::move(memory);
  check::equal(get(moved, 10), "still here");
}

void the_owner_is_checked_by_the_numbers() {
  struct stat status = {};
  status.st_uid = ::geteuid() + 1;
  check::throws(error_code::kUntrustedOwner,
                [&] { detail::check_owner(status, Owner{}, "/name"); });
  check::throws(error_code::kUntrustedOwner,
                [&] { detail::check_owner(status, Owner{.uid = ::geteuid() + 2}, "/name"); });
  detail::check_owner(status, Owner{.any = true}, "/name");
  detail::check_owner(status, Owner{.uid = ::geteuid() + 1}, "/name");
  status.st_uid = ::geteuid();
  detail::check_owner(status, Owner{}, "/name");
  status.st_uid = 0;
  detail::check_owner(status, Owner{}, "/name");
}

// Squatting: another user makes the name first. Only root can play two users.
void memory_of_another_user_is_refused() {
  constexpr uid_t kOther = 65534;
  const TemporaryName name;
  Child child([&] {
    check::equal(::setuid(kOther), 0);
    SharedMemory::create(name.get(), {.size = 4096, .mode = 0666});
  });
  check::equal(child.wait(), 0);
  check::throws(error_code::kUntrustedOwner, [&] { SharedMemory::open(name.get()); });
  check::throws(error_code::kUntrustedOwner,
                [&] { SharedMemory::create(name.get(), {.size = 4096, .exclusive = false}); });
  SharedMemory::open(name.get(), Access::kReadWrite, {.any = true});
  SharedMemory::open(name.get(), Access::kReadWrite, {.uid = kOther});

  const TemporaryName roots;
  const SharedMemory open_to_all = SharedMemory::create(roots.get(), {.size = 4096, .mode = 0666});
  const TemporaryName closed;
  const SharedMemory not_open = SharedMemory::create(closed.get(), {.size = 4096});
  Child reader([&] {
    check::equal(::setuid(kOther), 0);
    SharedMemory::open(roots.get());
    const Error error =
        check::throws(error_code::kSystem, [&] { SharedMemory::open(closed.get()); });
    check::equal(error.number(), EACCES);
  });
  check::equal(reader.wait(), 0);
}

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    path_ = std::filesystem::temp_directory_path() /
            ("sluice-test." + std::to_string(::getpid()) + ".bin");
    std::ofstream(path_, std::ios::binary) << content;
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_; }
  std::string content() const {
    std::ifstream stream(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

 private:
  std::filesystem::path path_;
};

void files_map_whole_or_in_part() {
  const TemporaryFile file(std::string(5000, 'a') + std::string(5000, 'b'));
  check::equal(SharedMemory::map_file(file.path(), {}).size(), 10000u);
  const SharedMemory part = SharedMemory::map_file(
      file.path(), {.offset = 4999, .length = 3, .read_only = true, .populate = true});
  check::equal(part.size(), 3u);
  check::equal(get(part, 3), "abb");
  const SharedMemory tail = SharedMemory::map_file(file.path(), {.offset = 9999});
  check::equal(tail.size(), 1u);
  put(tail, "z");
  tail.sync();
  check::equal(file.content().back(), 'z');
  put(part, "xyz");
  check::equal(file.content().substr(4999, 3), "abb");
}

void ranges_outside_of_a_file_are_refused() {
  const TemporaryFile file("0123456789");
  const auto map = [&](uint64_t offset, std::optional<uint64_t> length) {
    SharedMemory::map_file(file.path(), {.offset = offset, .length = length});
  };
  check::throws(error_code::kInvalidArgument, [&] { map(10, std::nullopt); });
  check::throws(error_code::kInvalidArgument, [&] { map(0, 11); });
  check::throws(error_code::kInvalidArgument, [&] { map(5, 6); });
  check::throws(error_code::kInvalidArgument, [&] { map(5, UINT64_MAX); });
  check::throws(error_code::kInvalidArgument, [&] { map(UINT64_MAX, 1); });
  check::throws(error_code::kInvalidArgument, [&] { map(0, 0); });
  check::throws(error_code::kInvalidArgument,
                [] { SharedMemory::map_file("/dev", {.read_only = true}); });
  check::throws(error_code::kInvalidArgument,
                [] { SharedMemory::map_file(std::string("a\0b", 3), {}); });
  check::throws(error_code::kSystem, [] { SharedMemory::map_file("/sluice/missing", {}); });
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<check::Test> tests = {
      {"what one writes the other reads", what_one_writes_the_other_reads},
      {"an existing name is refused or opened", an_existing_name_is_refused_or_opened},
      {"a missing name is ENOENT", a_missing_name_is_enoent},
      {"bad names are refused", bad_names_are_refused},
      {"the mode is exact whatever the umask", the_mode_is_exact_whatever_the_umask},
      {"too little room is ENOSPC and leaves no name",
       too_little_room_is_enospc_and_leaves_no_name},
      {"impossible sizes leave no name", impossible_sizes_leave_no_name},
      {"an object without bytes is told apart", an_object_without_bytes_is_told_apart},
      {"anonymous memory is sealed against every change of size",
       anonymous_memory_is_sealed_against_every_change_of_size},
      {"a received descriptor must be sealed memory", a_received_descriptor_must_be_sealed_memory},
      {"a received descriptor stays the caller's", a_received_descriptor_stays_the_callers},
      {"descriptors are close-on-exec", descriptors_are_close_on_exec},
      {"a write to read-only memory stays private", a_write_to_read_only_memory_stays_private},
      {"memory outlives its name and moves", memory_outlives_its_name_and_moves},
      {"the owner is checked by the numbers", the_owner_is_checked_by_the_numbers},
      {"files map whole or in part", files_map_whole_or_in_part},
      {"ranges outside of a file are refused", ranges_outside_of_a_file_are_refused},
  };
  if (::geteuid() == 0) {
    tests.push_back({"memory of another user is refused", memory_of_another_user_is_refused});
  } else {
    std::cout << "note: only root can be two users, so one test is left out\n";
  }
  return check::run(tests, argc, argv);
}
