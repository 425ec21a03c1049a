// The exception type of all of sluice: a stable code, or the system's error where a call failed.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace sluice {

// The stable codes; the TypeScript layer hands them to users as `error.code`. In place of kSystem
// users get the system's name of the error, such as 'ENOENT'.
namespace error_code {
inline constexpr const char* kClosed = "ERR_SLUICE_CLOSED";
inline constexpr const char* kCorrupt = "ERR_SLUICE_CORRUPT";
inline constexpr const char* kInternal = "ERR_SLUICE_INTERNAL";
inline constexpr const char* kInvalidArgument = "ERR_SLUICE_INVALID_ARGUMENT";
inline constexpr const char* kInvalidState = "ERR_SLUICE_INVALID_STATE";
inline constexpr const char* kMessageTooLong = "ERR_SLUICE_MESSAGE_TOO_LONG";
inline constexpr const char* kNotARing = "ERR_SLUICE_NOT_A_RING";
inline constexpr const char* kRoleTaken = "ERR_SLUICE_ROLE_TAKEN";
inline constexpr const char* kStreamEnded = "ERR_SLUICE_STREAM_ENDED";
inline constexpr const char* kSystem = "SYSTEM";  // see syscall() and number()
inline constexpr const char* kTimeout = "ERR_SLUICE_TIMEOUT";
inline constexpr const char* kUnsealed = "ERR_SLUICE_UNSEALED";
inline constexpr const char* kUnsupported = "ERR_SLUICE_UNSUPPORTED";
inline constexpr const char* kUntrustedOwner = "ERR_SLUICE_UNTRUSTED_OWNER";
inline constexpr const char* kVersionMismatch = "ERR_SLUICE_VERSION_MISMATCH";
}  // namespace error_code

class Error : public std::runtime_error {
 public:
  Error(const char* code, const std::string& message) : std::runtime_error(message), code_(code) {}

  // A system call that failed: `number` is errno (positive) or the Win32 error code.
  static Error system(const char* syscall, int number, const std::string& message,
                      std::string address = {}) {
    Error error(error_code::kSystem, message);
    error.syscall_ = syscall;
    error.number_ = number;
    error.address_ = std::move(address);
    return error;
  }

  // The same, about a file: what was given as the address is a path.
  Error of_file() && {
    path_ = std::exchange(address_, {});
    return std::move(*this);
  }

  static Error role_taken(const std::string& message, uint32_t pid) {
    Error error(error_code::kRoleTaken, message);
    error.pid_ = pid;
    return error;
  }

  const char* code() const { return code_; }
  const char* syscall() const { return syscall_; }  // nullptr when no system call failed
  int number() const { return number_; }
  const std::string& address() const { return address_; }
  const std::string& path() const { return path_; }
  std::optional<uint32_t> pid() const { return pid_; }

 private:
  const char* code_;
  const char* syscall_ = nullptr;
  int number_ = 0;
  std::string address_;
  std::string path_;
  std::optional<uint32_t> pid_;
};

}  // namespace sluice
