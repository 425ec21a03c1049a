// Who is the producer of a ring, and who its consumer: locks that the operating system drops when
// their holder dies, however it dies. Nothing about life and death is taken from shared memory.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "sluice/detail/system_handle.hpp"
#include "sluice/shared_memory.hpp"

namespace sluice {

enum class Role { kProducer, kConsumer };

constexpr Role peer_of(Role role) {
  return role == Role::kProducer ? Role::kConsumer : Role::kProducer;
}

constexpr const char* name_of(Role role) {
  return role == Role::kProducer ? "producer" : "consumer";
}

class RoleLock {
 public:
  // Empty when someone else, in this process or another, holds the role.
  static std::optional<RoleLock> try_acquire(const SharedMemory& memory, Role role);

  // Whether anyone but this lock's own holder has the role.
  bool is_held_elsewhere(Role role) const;
  static bool is_held(const SharedMemory& memory, Role role);

  void release() { descriptor_.reset(); }
  bool holds() const { return descriptor_.valid(); }

 private:
  explicit RoleLock(SystemHandle descriptor) : descriptor_(std::move(descriptor)) {}

  SystemHandle descriptor_;
#if defined(_WIN32)
  std::wstring ring_;  // what its roles are named after
#elif defined(__FreeBSD__)
  std::string files_;  // how the paths of both roles' lock files begin
  Role role_ = Role::kProducer;
#endif
};

}  // namespace sluice

#if defined(__linux__)
#include "sluice/detail/role_linux.hpp"  // IWYU pragma: export
#elif defined(__APPLE__)
#include "sluice/detail/role_darwin.hpp"  // IWYU pragma: export
#elif defined(__FreeBSD__)
#include "sluice/detail/role_freebsd.hpp"  // IWYU pragma: export
#elif defined(_WIN32)
#include "sluice/detail/role_win.hpp"  // IWYU pragma: export
#endif
