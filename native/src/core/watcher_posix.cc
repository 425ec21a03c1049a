#include "core/watcher.hpp"

namespace sluice::binding {

void Watcher::report(Id id, Readiness readiness) {
  if (listener_.IsEmpty()) return;
  const Napi::HandleScope scope(env_);
  const napi_value arguments[] = {Napi::Number::New(env_, id), Napi::Number::New(env_, readiness)};
  napi_value receiver = env_.Global();
  const napi_status status =
      napi_make_callback(env_, nullptr, receiver, listener_.Value(), 2, arguments, nullptr);
  // An exception must not leave a native callback: it becomes 'uncaughtException'. Any other
  // failure means that the environment is being terminated.
  napi_value exception = nullptr;
  if (status == napi_pending_exception &&
      napi_get_and_clear_last_exception(env_, &exception) == napi_ok) {
    napi_fatal_exception(env_, exception);
  }
}

}  // namespace sluice::binding
