// Roles as named objects whose existence says that the role is held: the kernel removes such an
// object with its last handle, and closes every handle of a process that ends, however it ends.
//
// A mutex would be the obvious lock, but it belongs to the thread that took it, and a role is
// given up by whichever thread closes the ring. To ask whether an object exists one has to open
// it, and for that moment it would outlive its holder; therefore claims and questions take turns
// under a mutex, which is held for a few calls and by one thread only.
// (role.hpp includes this file at its end.)
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "sluice/detail/doorbell.hpp"

namespace sluice {
namespace detail {

inline std::wstring role_object(const std::wstring& ring, Role role) {
  return companion_name(ring, name_of(role));
}

// The turn to claim the roles of a ring, or to ask for them.
class RoleTurn {
 public:
  explicit RoleTurn(const std::wstring& ring) {
    SecurityAttributes security(private_sddl());
    mutex_ = Handle(::CreateMutexW(security.get(), FALSE, companion_name(ring, "roles").c_str()));
    if (!mutex_.valid()) {
      throw windows_error("CreateMutex", ::GetLastError(), "cannot lock the roles of a ring",
                          to_utf8(ring));
    }
    // Abandoned is as good: its owner died between two calls that leave nothing behind.
    const DWORD outcome = ::WaitForSingleObject(mutex_.get(), kLongestTurn);
    owned_ = outcome == WAIT_OBJECT_0 || outcome == WAIT_ABANDONED;
  }
  RoleTurn(const RoleTurn&) = delete;
  RoleTurn& operator=(const RoleTurn&) = delete;
  ~RoleTurn() {
    if (owned_) ::ReleaseMutex(mutex_.get());
  }

  // False when somebody was stopped in the middle of a turn.
  bool owned() const { return owned_; }

 private:
  static constexpr DWORD kLongestTurn = 1000;  // milliseconds

  Handle mutex_;
  bool owned_ = false;
};

inline std::wstring ring_object(const SharedMemory& memory) {
  std::wstring name = object_name(memory.descriptor().get());
  if (name.empty()) {
    throw Error(error_code::kUnsupported,
                "a ring in a mapped file has no roles on Windows: use a named ring");
  }
  return name;
}

inline bool role_exists(const std::wstring& ring, Role role) {
  const RoleTurn turn(ring);
  // Who is stopped in the middle of a turn is alive: nobody is declared dead on that account.
  if (!turn.owned()) return true;
  const Handle object(::OpenEventW(SYNCHRONIZE, FALSE, role_object(ring, role).c_str()));
  // Whatever exists is held, even what we are not allowed to open.
  return object.valid() || ::GetLastError() != ERROR_FILE_NOT_FOUND;
}

}  // namespace detail

inline std::optional<RoleLock> RoleLock::try_acquire(const SharedMemory& memory, Role role) {
  std::wstring ring = detail::ring_object(memory);
  const detail::RoleTurn turn(ring);
  if (!turn.owned()) return std::nullopt;
  detail::SecurityAttributes security(detail::private_sddl());
  Handle object(
      ::CreateEventW(security.get(), TRUE, FALSE, detail::role_object(ring, role).c_str()));
  const DWORD code = ::GetLastError();
  if (!object.valid() && code != ERROR_ACCESS_DENIED && code != ERROR_INVALID_HANDLE) {
    throw detail::windows_error("CreateEvent", code, "cannot claim a role of the ring",
                                memory.name());
  }
  if (!object.valid() || code == ERROR_ALREADY_EXISTS) return std::nullopt;
  RoleLock lock(std::move(object));
  lock.ring_ = std::move(ring);
  return lock;
}

inline bool RoleLock::is_held_elsewhere(Role role) const {
  return detail::role_exists(ring_, role);
}

inline bool RoleLock::is_held(const SharedMemory& memory, Role role) {
  return detail::role_exists(detail::ring_object(memory), role);
}

}  // namespace sluice
