#include <cerrno>
#include <system_error>

#include "core/watcher.hpp"

namespace sluice::binding {

Error cannot_watch(const char* syscall, int number) {
  std::string reason = std::generic_category().message(number);
  if (number == EEXIST) {
    // Polls of libuv are kept by the number of the descriptor: a loop has one for each.
    reason =
        "something else in this thread watches it already, such as a net.Socket or net.Server "
        "that was made of its number; give that a duplicate (FileDescriptor.duplicate)";
  } else if (number == ENOSPC) {
    reason =
        "this user's processes watch as many as they may (/proc/sys/fs/epoll/max_user_watches)";
  }
  return Error::system(syscall, number, "cannot watch the descriptor: " + reason);
}

void Watcher::report(Id id, Readiness readiness) {
  if (listener_.IsEmpty()) return;
  // The C API: what fails while an environment is terminated must not throw out of a callback.
  napi_handle_scope scope = nullptr;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  call_listener(id, readiness);
  napi_close_handle_scope(env_, scope);
}

void Watcher::call_listener(Id id, Readiness readiness) {
  napi_value listener = nullptr;
  napi_value receiver = nullptr;
  napi_value arguments[2] = {};
  if (napi_get_reference_value(env_, listener_, &listener) != napi_ok ||
      napi_get_global(env_, &receiver) != napi_ok ||
      napi_create_uint32(env_, id, &arguments[0]) != napi_ok ||
      napi_create_uint32(env_, readiness, &arguments[1]) != napi_ok) {
    return;
  }
  const napi_status status =
      caller_ == Caller::kLoop
          ? napi_make_callback(env_, nullptr, receiver, listener, 2, arguments, nullptr)
          : napi_call_function(env_, receiver, listener, 2, arguments, nullptr);
  // An exception must not leave a native callback: it becomes 'uncaughtException'. Any other
  // failure means that the environment is being terminated.
  napi_value exception = nullptr;
  if (status == napi_pending_exception &&
      napi_get_and_clear_last_exception(env_, &exception) == napi_ok) {
    napi_fatal_exception(env_, exception);
  }
}

void WatcherPart::initialise(Napi::Function listener, bool in_thread) {
  listener_ = Napi::Persistent(listener);
  in_thread_ = in_thread;
}

Watcher& WatcherPart::get() {
  if (!watcher_) {
    const bool on_loop = !in_thread_ && can_watch_on_loop(env_);
    watcher_ = on_loop ? make_loop_watcher(env_) : make_thread_watcher(env_);
    watcher_->set_listener(listener_.Value());
  }
  return *watcher_;
}

}  // namespace sluice::binding
