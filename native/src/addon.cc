// The addon's entry: one Environment for each thread that loads it, and the features' exports.
#include <napi.h>

#include "core/environment.hpp"
#include "core/parking_threads.hpp"
#include "features.hpp"
#include "memory/shared_memory_handle.hpp"
#include "ring/endpoint_handles.hpp"
#include "ring/ring_handle.hpp"

namespace sluice::binding {
namespace {

// initialise({ createError, onWake, onReady, watchInThread }): what native code calls back.
void initialise(const Napi::CallbackInfo& info) {
  const auto callbacks = info[0].As<Napi::Object>();
  Environment& environment = Environment::of(info.Env());
  environment.error_factory = Napi::Persistent(callbacks.Get("createError").As<Napi::Function>());
  environment.part<ParkingThreads>().set_listener(callbacks.Get("onWake").As<Napi::Function>());
  initialise_features_of_system(environment, callbacks);
}

// setWakeRef(ref): whether parked objects keep the process alive.
void set_wake_ref(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).part<ParkingThreads>().set_ref(info[0].As<Napi::Boolean>());
}

Napi::Object load(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(std::make_unique<Environment>(env).release());
  // Compared with that of the JavaScript, which may have come by another way.
  exports.Set("version", Napi::String::New(env, SLUICE_VERSION));
  exports.Set("setWakeRef", Napi::Function::New(env, set_wake_ref, "setWakeRef"));
  exports.Set("initialise", Napi::Function::New(env, initialise, "initialise"));
  SharedMemoryHandle::define(env, exports);
  RingHandle::define(env, exports);
  define_endpoint_handles(env, exports);
  define_features_of_system(env, exports);
  return exports;
}

}  // namespace
}  // namespace sluice::binding

static Napi::Object load_addon(Napi::Env env, Napi::Object exports) {
  return sluice::binding::load(env, exports);
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, load_addon)
