#include "ring/ring_handle.hpp"

#include <algorithm>
#include <utility>

#include "core/arguments.hpp"
#include "core/environment.hpp"
#include "core/errors.hpp"
#include "memory/external_buffer.hpp"
#include "memory/shared_memory_handle.hpp"

namespace sluice::binding {
namespace {

struct RingConstructor {
  Napi::FunctionReference reference;
};

template <typename Make>
Napi::Value made(const Napi::CallbackInfo& info, Make&& make) {
  return guarded(info.Env(), [&] { return RingHandle::wrap(info.Env(), make()); });
}

// createRing(name, capacity, mode)
Napi::Value create(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return Ring::create(info[0].As<Napi::String>(), to_u64(info[1]),
                        info[2].As<Napi::Number>().Uint32Value());
  });
}

// openRing(name, timeout, owner)
Napi::Value open(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return Ring::open(info[0].As<Napi::String>(), to_milliseconds(info[1]), to_owner(info[2]));
  });
}

// openOrCreateRing(name, capacity, mode, timeout, owner)
Napi::Value open_or_create(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return Ring::open_or_create(info[0].As<Napi::String>(), to_u64(info[1]),
                                info[2].As<Napi::Number>().Uint32Value(), to_milliseconds(info[3]),
                                to_owner(info[4]));
  });
}

// anonymousRing(capacity)
Napi::Value anonymous(const Napi::CallbackInfo& info) {
  return made(info, [&] { return Ring::anonymous(to_u64(info[0])); });
}

// ringFromDescriptor(fd, requireSeals)
Napi::Value from_descriptor(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return Ring::from_descriptor(to_system_handle(info[0]), info[1].As<Napi::Boolean>());
  });
}

// creationOf(name): a RingCreation
Napi::Value creation_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto creation = NamedRingMaker::creation_of(info[0].As<Napi::String>());
    return Napi::Number::New(info.Env(), static_cast<uint32_t>(creation));
  });
}

// removeAbandonedRing(name): whether there was one
Napi::Value remove_abandoned(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const bool removed =
        NamedRingMaker::remove_abandoned(info[0].As<Napi::String>(), {.any = true});
    return Napi::Boolean::New(info.Env(), removed);
  });
}

Napi::Object side_stats(Napi::Env env, const Ring& ring, Role role) {
  static constexpr const char* kStates[] = {"never", "open", "closed"};
  const RingHeader& header = ring.memory().header();
  const RingSide& side = role == Role::kProducer ? header.producer : header.consumer;
  const uint32_t state = side.state.load(std::memory_order_acquire);
  const uint32_t pid = side.pid.load(std::memory_order_relaxed);
  Napi::Object stats = Napi::Object::New(env);
  stats.Set("state", kStates[std::min<uint32_t>(state, 2)]);
  stats.Set("alive", RoleLock::is_held(ring.memory().memory(), role));
  stats.Set("pid", pid == 0 ? env.Undefined() : Napi::Number::New(env, pid));
  stats.Set("messages", side.messages.load(std::memory_order_relaxed));
  return stats;
}

}  // namespace

void RingHandle::define(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor =
      DefineClass(env, "RingHandle",
                  {
                      InstanceMethod<&RingHandle::memory>("memory"),
                      InstanceMethod<&RingHandle::buffer>("buffer"),
                      InstanceMethod<&RingHandle::capacity>("capacity"),
                      InstanceMethod<&RingHandle::stats>("stats"),
                      InstanceMethod<&RingHandle::close>("close"),
                  });
  Environment::of(env).part<RingConstructor>().reference = Napi::Persistent(constructor);
  exports.Set("createRing", Napi::Function::New(env, create));
  exports.Set("openRing", Napi::Function::New(env, open));
  exports.Set("openOrCreateRing", Napi::Function::New(env, open_or_create));
  exports.Set("anonymousRing", Napi::Function::New(env, anonymous));
  exports.Set("ringFromDescriptor", Napi::Function::New(env, from_descriptor));
  exports.Set("creationOf", Napi::Function::New(env, creation_of));
  exports.Set("removeAbandonedRing", Napi::Function::New(env, remove_abandoned));
}

Napi::Value RingHandle::wrap(Napi::Env env, Ring ring) {
  const Napi::Object object = Environment::of(env).part<RingConstructor>().reference.New({});
  Unwrap(object)->ring_.emplace(std::move(ring));
  return object;
}

RingHandle::RingHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RingHandle>(info) {}

const Ring& RingHandle::require_open() const {
  if (!ring_) throw Error(error_code::kClosed, "the ring is closed");
  return *ring_;
}

Napi::Value RingHandle::memory(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return SharedMemoryHandle::wrap(info.Env(), require_open().memory().shared_memory());
  });
}

// The ring's own bytes: memory that came from somebody else can be longer, of any length.
Napi::Value RingHandle::buffer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Ring& ring = require_open();
    const SharedMemory& memory = ring.memory().memory();
    return external_array_buffer(info.Env(), memory.mapping(), memory.data(),
                                 ring_memory_size(ring.capacity()));
  });
}

Napi::Value RingHandle::capacity(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return Napi::Number::New(info.Env(), require_open().capacity()); });
}

Napi::Value RingHandle::stats(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Ring& ring = require_open();
    const RingHeader& header = ring.memory().header();
    // The tail first: loaded the other way round, the head could overtake it in between.
    const uint32_t tail = header.producer.position.load(std::memory_order_acquire);
    const uint32_t head = header.consumer.position.load(std::memory_order_acquire);
    const uint32_t used = tail - head;
    Napi::Object stats = Napi::Object::New(env);
    stats.Set("capacity", ring.capacity());
    // Between the two loads the consumer may have passed the tail that was read.
    stats.Set("used", used > ring.capacity() ? 0 : used);
    stats.Set("producer", side_stats(env, ring, Role::kProducer));
    stats.Set("consumer", side_stats(env, ring, Role::kConsumer));
    return stats;
  });
}

void RingHandle::close(const Napi::CallbackInfo&) {
  ring_.reset();
}

}  // namespace sluice::binding
