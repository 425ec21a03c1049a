#include "core/environment.hpp"
#include "core/platform_parts.hpp"
#include "core/watcher.hpp"
#include "socket/sockets.hpp"

namespace sluice::binding {

void define_platform_parts(Napi::Env env, Napi::Object exports) {
  define_sockets(env, exports);
}

Watcher& Environment::watcher() {
  if (!watcher_) {
    const bool on_loop = !watches_in_thread && can_watch_on_loop();
    watcher_ = on_loop ? make_loop_watcher(env_) : make_thread_watcher(env_);
    watcher_->set_listener(ready_listener.Value());
  }
  return *watcher_;
}

}  // namespace sluice::binding
