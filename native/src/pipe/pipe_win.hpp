// One end of a named pipe with the operations that may be pending on it.
//
// An OVERLAPPED must stay where it is until the completion port has given it back, and so must the
// buffer. They live here, and the completion port keeps a pipe until nothing is pending on it any
// more, though its handle may be closed before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "pipe/identity_win.hpp"
#include "sluice/detail/handle_win.hpp"

namespace sluice::binding {

enum class PipeEvent : uint32_t {
  kConnected = 0,
  kRead = 1,
  kWritten = 2,
  kIdentified = 3,
  kClosed = 4
};

// How a call ended: an error code, success, or not yet.
inline constexpr int64_t kPending = -1;
inline constexpr int64_t kDone = ERROR_SUCCESS;

struct Operation {
  OVERLAPPED overlapped = {};
  std::vector<std::byte> buffer;
  DWORD transferred = 0;
  bool pending = false;  // guarded by the completion port's mutex
};

class Pipe {
 public:
  // A number that no other pipe of the process ever has.
  using Id = uint64_t;

  Pipe(Id id, Handle handle, bool message_type)
      : id_(id), handle_(std::move(handle)), message_type_(message_type) {}
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() = default;

  Id id() const { return id_; }
  const Handle& handle() const { return handle_; }
  bool message_type() const { return message_type_; }

  Operation& operation(PipeEvent event) {
    if (event == PipeEvent::kRead) return read_;
    return event == PipeEvent::kWritten ? write_ : connect_;
  }
  PipeEvent event_of(const OVERLAPPED* overlapped) const {
    if (overlapped == &read_.overlapped) return PipeEvent::kRead;
    return overlapped == &write_.overlapped ? PipeEvent::kWritten : PipeEvent::kConnected;
  }

  // A completed call with this outcome is not reported by the port as well.
  bool is_final(BOOL succeeded, DWORD code) const {
    if (succeeded) return skips_port_;
    // ERROR_MORE_DATA is a warning to the kernel, and a warning goes through the port.
    return code != ERROR_IO_PENDING && code != ERROR_MORE_DATA;
  }
  void set_skips_port() { skips_port_ = true; }

  // Guarded by the completion port's mutex.
  size_t pending = 0;
  bool closing = false;

  // Written by the port's thread before it reports them, read by the loop's thread after.
  std::optional<Identity> identity;

  void close_handle() { handle_.reset(); }

 private:
  const Id id_;
  Handle handle_;
  const bool message_type_;
  bool skips_port_ = false;
  Operation connect_;
  Operation read_;
  Operation write_;
};

}  // namespace sluice::binding
