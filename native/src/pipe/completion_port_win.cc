#include "pipe/completion_port_win.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <limits>
#include <utility>

#include "core/errors.hpp"
#include "core/start_thread.hpp"
#include "sluice/detail/ntdll_win.hpp"

namespace sluice::binding {
namespace {

// Completion keys: those of pipes are their ids, which begin after these.
enum class ControlKey : ULONG_PTR { kWake = 1, kIdentify = 2 };
constexpr Pipe::Id kFirstId = 16;

// At the environment's end: cancelled operations come back within microseconds.
constexpr auto kLongestDrain = std::chrono::seconds(5);

// The one counter for all threads: ids are unique in the process.
Pipe::Id next_id() {
  static std::atomic<Pipe::Id> last{kFirstId};
  return last.fetch_add(1, std::memory_order_relaxed);  // nothing is published by it
}

// How an operation ended that the port has given back. GetOverlappedResult cannot tell: it wants
// the pipe's handle, which may be closed by then.
DWORD outcome_of(const OVERLAPPED& overlapped) {
  return detail::error_of_status(static_cast<LONG>(overlapped.Internal));
}

}  // namespace

CompletionPort::CompletionPort(Environment& environment)
    : reports_(environment.env(), "sluice.pipe",
               [this](Napi::Env loop, std::vector<Report> reports) { deliver(loop, reports); }),
      port_(::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1)) {
  if (!port_.valid()) {
    throw detail::windows_error("CreateIoCompletionPort", ::GetLastError(),
                                "cannot make a completion port", "");
  }
  environment.on_shutdown([this] { shut_down(); });
}

CompletionPort::~CompletionPort() {
  shut_down();
}

void CompletionPort::set_listener(Napi::Function listener) {
  listener_ = Napi::Persistent(listener);
}

std::shared_ptr<Pipe> CompletionPort::add(Handle handle, bool message_type) {
  if (shut_down_) throw Error(error_code::kClosed, "the environment is ending");
  reports_.open();
  const Pipe::Id id = next_id();
  if (::CreateIoCompletionPort(handle.get(), port_.get(), static_cast<ULONG_PTR>(id), 0) ==
      nullptr) {
    throw detail::windows_error("CreateIoCompletionPort", ::GetLastError(), "cannot watch the pipe",
                                "");
  }
  const auto pipe = std::make_shared<Pipe>(id, std::move(handle), message_type);
  // Not for message-type pipes: whether ERROR_MORE_DATA skips the port as well is nowhere written.
  if (!message_type && ::SetFileCompletionNotificationModes(pipe->handle().get(),
                                                            FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)) {
    pipe->set_skips_port();
  }
  run_thread();
  const std::lock_guard lock(mutex_);
  pipes_.emplace(id, pipe);
  return pipe;
}

template <typename Call>
int64_t CompletionPort::start(Pipe& pipe, PipeEvent event, Call&& call) {
  Operation& operation = pipe.operation(event);
  {
    const std::lock_guard lock(mutex_);
    if (pipe.closing) return ERROR_INVALID_HANDLE;
    if (operation.pending) return ERROR_BUSY;
    // Before the call: its completion may come before it returns.
    operation.pending = true;
    ++pipe.pending;
  }
  operation.overlapped = {};
  operation.transferred = 0;
  const BOOL succeeded = call(operation);
  const DWORD code = succeeded ? ERROR_SUCCESS : ::GetLastError();
  if (!pipe.is_final(succeeded, code)) return kPending;
  if (succeeded) operation.transferred = static_cast<DWORD>(operation.overlapped.InternalHigh);
  const std::lock_guard lock(mutex_);
  settle(pipe, event);
  return code;
}

void CompletionPort::settle(Pipe& pipe, PipeEvent event) {
  Operation& operation = pipe.operation(event);
  operation.pending = false;
  --pipe.pending;
  // The written bytes are not needed any more, and may have been many.
  if (event == PipeEvent::kWritten) std::vector<std::byte>().swap(operation.buffer);
}

int64_t CompletionPort::connect(Pipe& pipe) {
  const int64_t outcome = start(pipe, PipeEvent::kConnected, [&](Operation& operation) {
    return ::ConnectNamedPipe(pipe.handle().get(), &operation.overlapped);
  });
  // The client was faster than we.
  return outcome == ERROR_PIPE_CONNECTED ? kDone : outcome;
}

int64_t CompletionPort::read(Pipe& pipe, size_t length) {
  return start(pipe, PipeEvent::kRead, [&](Operation& operation) {
    operation.buffer.resize(length);
    return ::ReadFile(pipe.handle().get(), operation.buffer.data(), static_cast<DWORD>(length),
                      nullptr, &operation.overlapped);
  });
}

int64_t CompletionPort::write(Pipe& pipe, std::span<const std::byte> bytes) {
  if (bytes.size() > std::numeric_limits<DWORD>::max()) return ERROR_INVALID_PARAMETER;
  return start(pipe, PipeEvent::kWritten, [&](Operation& operation) {
    operation.buffer.assign(bytes.begin(), bytes.end());
    return ::WriteFile(pipe.handle().get(), operation.buffer.data(),
                       static_cast<DWORD>(bytes.size()), nullptr, &operation.overlapped);
  });
}

void CompletionPort::identify(Pipe& pipe) {
  {
    const std::lock_guard lock(mutex_);
    if (pipe.closing) return;
    ++pipe.pending;
  }
  // The id goes in the place of the count of bytes' neighbour, the OVERLAPPED: it is never
  // followed.
  if (!::PostQueuedCompletionStatus(port_.get(), 0, static_cast<ULONG_PTR>(ControlKey::kIdentify),
                                    reinterpret_cast<OVERLAPPED*>(pipe.id()))) {
    const DWORD code = ::GetLastError();
    const std::lock_guard lock(mutex_);
    --pipe.pending;
    throw detail::windows_error("PostQueuedCompletionStatus", code, "cannot ask who the client is",
                                "");
  }
}

void CompletionPort::cancel(Pipe& pipe, PipeEvent event) {
  const std::lock_guard lock(mutex_);
  Operation& operation = pipe.operation(event);
  // ERROR_NOT_FOUND: it has completed, and the port will say so.
  if (operation.pending) ::CancelIoEx(pipe.handle().get(), &operation.overlapped);
}

bool CompletionPort::close(Pipe& pipe) {
  bool forgotten = false;
  {
    const std::lock_guard lock(mutex_);
    if (pipe.closing) return false;
    close_handle(pipe);
    forgotten = forget_if_idle(pipe);
  }
  if (forgotten) stop_thread_if_idle();
  return forgotten;
}

// The handle goes at once, and with it the name: an instance that waited for the thread to dequeue
// its completion could still get a client. Only the memory has to wait, since the kernel has its
// own reference to the pipe for each operation, and completes them all.
void CompletionPort::close_handle(Pipe& pipe) {
  pipe.closing = true;
  ::CancelIoEx(pipe.handle().get(), nullptr);
  // Not in the middle of a question about the client: the number may be somebody else's next.
  const std::lock_guard asking(identity_mutex_);
  pipe.close_handle();
}

bool CompletionPort::forget_if_idle(Pipe& pipe) {
  if (!pipe.closing || pipe.pending != 0) return false;
  pipes_.erase(pipe.id());
  return true;
}

void CompletionPort::run_thread() {
  if (thread_.joinable()) return;
  ending_ = false;
  thread_ = start_thread([this] { run(); });
}

void CompletionPort::stop_thread_if_idle() {
  {
    const std::lock_guard lock(mutex_);
    if (!pipes_.empty()) return;
    ending_ = true;
  }
  if (!thread_.joinable()) return;
  ::PostQueuedCompletionStatus(port_.get(), 0, static_cast<ULONG_PTR>(ControlKey::kWake), nullptr);
  thread_.join();
}

void CompletionPort::run() {
  std::array<OVERLAPPED_ENTRY, 64> entries;
  for (;;) {
    ULONG count = 0;
    // Always woken by a completion or by the control; the time is for what cannot be.
    if (!::GetQueuedCompletionStatusEx(port_.get(), entries.data(),
                                       static_cast<ULONG>(entries.size()), &count, 1000, FALSE)) {
      count = 0;
    }
    if (!dispatch({entries.data(), count})) return;
  }
}

bool CompletionPort::dispatch(std::span<const OVERLAPPED_ENTRY> entries) {
  std::vector<Report> reports;
  for (const OVERLAPPED_ENTRY& entry : entries) {
    if (entry.lpCompletionKey == static_cast<ULONG_PTR>(ControlKey::kWake)) continue;
    const Report report = entry.lpCompletionKey == static_cast<ULONG_PTR>(ControlKey::kIdentify)
                              ? identify_now(reinterpret_cast<uintptr_t>(entry.lpOverlapped))
                              : complete(entry);
    reports.push_back(report);
    const std::lock_guard lock(mutex_);
    const std::shared_ptr<Pipe> pipe = find(report.id);
    if (pipe && forget_if_idle(*pipe)) reports.push_back({report.id, PipeEvent::kClosed, 0});
  }
  if (!reports.empty()) reports_.post(reports);
  const std::lock_guard lock(mutex_);
  if (!ending_) return true;
  if (shut_down_ && std::chrono::steady_clock::now() > drain_deadline_) abandon();
  return !pipes_.empty();
}

void CompletionPort::abandon() {
  // The kernel may still write into these: they are never freed.
  static_cast<void>(std::make_unique<decltype(pipes_)>(std::move(pipes_)).release());
  pipes_ = {};
}

CompletionPort::Report CompletionPort::complete(const OVERLAPPED_ENTRY& entry) {
  const auto id = static_cast<Pipe::Id>(entry.lpCompletionKey);
  const std::lock_guard lock(mutex_);
  // There is always such a pipe: it stays until this operation, which is one of its own, is back.
  const std::shared_ptr<Pipe> pipe = find(id);
  const PipeEvent event = pipe->event_of(entry.lpOverlapped);
  Operation& operation = pipe->operation(event);
  operation.transferred = static_cast<DWORD>(operation.overlapped.InternalHigh);
  const DWORD code = outcome_of(*entry.lpOverlapped);
  settle(*pipe, event);
  return {id, event, code};
}

CompletionPort::Report CompletionPort::identify_now(Pipe::Id id) {
  std::shared_ptr<Pipe> pipe;
  {
    const std::lock_guard lock(mutex_);
    pipe = find(id);
  }
  DWORD code = ERROR_SUCCESS;
  {
    // These calls wait for nobody, so a close of the pipe meanwhile is not held up.
    const std::lock_guard asking(identity_mutex_);
    try {
      pipe->identity = identify_client(pipe->handle());
    } catch (const Error& error) {
      code = static_cast<DWORD>(error.number());
    }
  }
  const std::lock_guard lock(mutex_);
  --pipe->pending;
  return {id, PipeEvent::kIdentified, code};
}

std::shared_ptr<Pipe> CompletionPort::find(Pipe::Id id) {
  const auto found = pipes_.find(id);
  return found == pipes_.end() ? nullptr : found->second;
}

void CompletionPort::deliver(Napi::Env env, const std::vector<Report>& reports) {
  stop_thread_if_idle();
  run_on_loop(env, [&] {
    Napi::Array list = Napi::Array::New(env, reports.size() * 3);
    uint32_t index = 0;
    for (const Report& report : reports) {
      list.Set(index++, static_cast<double>(report.id));
      list.Set(index++, static_cast<uint32_t>(report.event));
      list.Set(index++, static_cast<uint32_t>(report.error));
    }
    listener_.Call({list});
  });
}

void CompletionPort::shut_down() {
  if (shut_down_) return;
  {
    const std::lock_guard lock(mutex_);
    shut_down_ = true;
    ending_ = true;
    drain_deadline_ = std::chrono::steady_clock::now() + kLongestDrain;
    for (auto entry = pipes_.begin(); entry != pipes_.end();) {
      const std::shared_ptr<Pipe> pipe = (entry++)->second;
      if (!pipe->closing) close_handle(*pipe);
      forget_if_idle(*pipe);
    }
  }
  if (thread_.joinable()) {
    ::PostQueuedCompletionStatus(port_.get(), 0, static_cast<ULONG_PTR>(ControlKey::kWake),
                                 nullptr);
    thread_.join();
  }
  listener_.Reset();
  reports_.close();
}

}  // namespace sluice::binding
