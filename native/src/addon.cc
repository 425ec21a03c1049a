// The addon's entry: one Environment for each thread that loads it, and the parts' exports.
#include <napi.h>

#include <cstdlib>

#include "core/environment.hpp"
#include "core/platform_parts.hpp"
#include "memory/shared_memory_handle.hpp"
#include "ring/endpoint_handles.hpp"
#include "ring/ring_handle.hpp"
#include "ring/waiting_threads.hpp"

namespace sluice::binding {

Environment::Environment(Napi::Env env)
    : env_(env), waiting_threads_(std::make_shared<WaitingThreads>(env)) {
  // Finalizers run after the cleanup hooks; by then no thread may look at a ring any more.
  env.AddCleanupHook([](Environment* self) { self->waiting_threads_->shut_down(); }, this);
  external_buffers_forbidden = std::getenv("SLUICE_NO_EXTERNAL_BUFFERS") != nullptr;
}

Environment::~Environment() = default;

namespace {

// initialise({ createError, onWake, onReady, watchInThread }): what native code calls back.
void initialise(const Napi::CallbackInfo& info) {
  const auto callbacks = info[0].As<Napi::Object>();
  Environment& environment = Environment::of(info.Env());
  environment.error_factory = Napi::Persistent(callbacks.Get("createError").As<Napi::Function>());
  environment.waiting_threads()->set_listener(callbacks.Get("onWake").As<Napi::Function>());
  environment.ready_listener = Napi::Persistent(callbacks.Get("onReady").As<Napi::Function>());
  environment.watches_in_thread = callbacks.Get("watchInThread").ToBoolean();
}

// setWakeRef(ref): whether sleeping endpoints keep the process alive.
void set_wake_ref(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).waiting_threads()->set_ref(info[0].As<Napi::Boolean>());
}

Napi::Object load(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(std::make_unique<Environment>(env).release());
  exports.Set("setWakeRef", Napi::Function::New(env, set_wake_ref, "setWakeRef"));
  exports.Set("initialise", Napi::Function::New(env, initialise, "initialise"));
  SharedMemoryHandle::define(env, exports);
  RingHandle::define(env, exports);
  define_endpoint_handles(env, exports);
  define_platform_parts(env, exports);
  return exports;
}

}  // namespace
}  // namespace sluice::binding

static Napi::Object load_addon(Napi::Env env, Napi::Object exports) {
  return sluice::binding::load(env, exports);
}

NODE_API_MODULE(NODE_GYP_MODULE_NAME, load_addon)
