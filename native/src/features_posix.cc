#include "core/watcher.hpp"
#include "features.hpp"
#include "socket/sockets.hpp"

namespace sluice::binding {

void define_features_of_system(Napi::Env env, Napi::Object exports) {
  define_sockets(env, exports);
}

void initialise_features_of_system(Environment& environment, const Napi::Object& callbacks) {
  environment.part<WatcherPart>().initialise(callbacks.Get("onReady").As<Napi::Function>(),
                                             callbacks.Get("watchInThread").ToBoolean());
}

}  // namespace sluice::binding
