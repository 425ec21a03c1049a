// Byte locks as named objects whose existence says that the byte is locked: the kernel removes such
// an object with its last handle, and closes every handle of a process that ends, however it ends.
//
// A mutex would be the obvious lock, but it belongs to the thread that took it, and a byte
// lock is given up by whichever thread has it then. To ask whether an object exists one has to open
// it, and for that moment it would outlive its holder; therefore locking and asking take turns
// under a mutex, which is held for a few calls and by one thread only.
// (byte_lock.hpp includes this file at its end.)
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "sluice/detail/doorbell.hpp"

namespace sluice {
namespace detail {

inline std::wstring lock_object(const std::wstring& memory, uint32_t byte) {
  return companion_name(memory, "lock-" + std::to_string(byte));
}

// The turn to lock bytes of a piece of memory, or to ask for their locks.
class LockTurn {
 public:
  explicit LockTurn(const std::wstring& memory) {
    SecurityAttributes security(private_sddl());
    mutex_ = Handle(::CreateMutexW(security.get(), FALSE, companion_name(memory, "locks").c_str()));
    if (!mutex_.valid()) {
      throw windows_error("CreateMutex", ::GetLastError(), "cannot lock bytes of shared memory",
                          to_utf8(memory));
    }
    // Abandoned is as good: its owner died between two calls that leave nothing behind.
    const DWORD outcome = ::WaitForSingleObject(mutex_.get(), kLongestTurn);
    owned_ = outcome == WAIT_OBJECT_0 || outcome == WAIT_ABANDONED;
  }
  LockTurn(const LockTurn&) = delete;
  LockTurn& operator=(const LockTurn&) = delete;
  ~LockTurn() {
    if (owned_) ::ReleaseMutex(mutex_.get());
  }

  // False when somebody was stopped in the middle of a turn.
  bool owned() const { return owned_; }

 private:
  static constexpr DWORD kLongestTurn = 1000;  // milliseconds

  Handle mutex_;
  bool owned_ = false;
};

inline std::wstring lockable_name(const SharedMemory& memory) {
  std::wstring name = object_name(memory.descriptor().get());
  if (name.empty()) {
    throw Error(
        error_code::kUnsupported,
        "memory of a mapped file has no locks on Windows, so a ring in it has no roles: use "
        "named memory");
  }
  return name;
}

inline bool lock_exists(const std::wstring& memory, uint32_t byte) {
  const LockTurn turn(memory);
  // A process that is stopped in the middle of a turn is alive: nobody is declared dead for it.
  if (!turn.owned()) return true;
  const Handle object(::OpenEventW(SYNCHRONIZE, FALSE, lock_object(memory, byte).c_str()));
  // Whatever exists is held, even what we are not allowed to open.
  return object.valid() || ::GetLastError() != ERROR_FILE_NOT_FOUND;
}

}  // namespace detail

inline std::optional<ByteLock> ByteLock::try_acquire(const SharedMemory& memory, uint32_t byte,
                                                     const char* what) {
  std::wstring name = detail::lockable_name(memory);
  const detail::LockTurn turn(name);
  if (!turn.owned()) return std::nullopt;
  detail::SecurityAttributes security(detail::private_sddl());
  Handle object(
      ::CreateEventW(security.get(), TRUE, FALSE, detail::lock_object(name, byte).c_str()));
  const DWORD code = ::GetLastError();
  if (!object.valid() && code != ERROR_ACCESS_DENIED && code != ERROR_INVALID_HANDLE) {
    throw detail::windows_error("CreateEvent", code, std::string("cannot lock ") + what,
                                memory.name());
  }
  if (!object.valid() || code == ERROR_ALREADY_EXISTS) return std::nullopt;
  ByteLock lock(std::move(object));
  lock.memory_ = std::move(name);
  lock.byte_ = byte;
  return lock;
}

inline bool ByteLock::is_held_elsewhere(uint32_t byte) const {
  return byte != byte_ && detail::lock_exists(memory_, byte);
}

inline bool ByteLock::is_held(const SharedMemory& memory, uint32_t byte) {
  return detail::lock_exists(detail::lockable_name(memory), byte);
}

}  // namespace sluice
