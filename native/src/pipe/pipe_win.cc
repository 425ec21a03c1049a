#include "pipe/pipe_win.hpp"

#include <utility>

namespace sluice::binding {

Pipe::Pipe(Id id, Handle handle, bool message_type)
    : id_(id), handle_(std::move(handle)), message_type_(message_type) {}

Operation& Pipe::operation(PipeEvent event) {
  if (event == PipeEvent::kRead) return read_;
  return event == PipeEvent::kWritten ? write_ : connect_;
}

PipeEvent Pipe::event_of(const OVERLAPPED* overlapped) const {
  if (overlapped == &read_.overlapped) return PipeEvent::kRead;
  return overlapped == &write_.overlapped ? PipeEvent::kWritten : PipeEvent::kConnected;
}

bool Pipe::is_final(BOOL succeeded, DWORD code) const {
  if (succeeded) return skips_port_;
  // ERROR_MORE_DATA is a warning to the kernel, and a warning goes through the port.
  return code != ERROR_IO_PENDING && code != ERROR_MORE_DATA;
}

}  // namespace sluice::binding
