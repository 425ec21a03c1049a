#include "memory/shared_memory_handle.hpp"

#include <cstdlib>
#include <string>
#include <utility>

#include "core/arguments.hpp"
#include "core/environment.hpp"
#include "core/errors.hpp"
#include "core/runtime_symbol.hpp"

namespace sluice::binding {
namespace {

// What an environment keeps for shared memory.
struct MemoryPart {
  Napi::FunctionReference constructor;
  // Set for tests and for runtimes that refuse ArrayBuffers over foreign memory.
  bool external_buffers_forbidden = std::getenv("SLUICE_NO_EXTERNAL_BUFFERS") != nullptr;
};

// An ArrayBuffer's own share of the mapping, given back by its finalizer. It is the mapping's
// alone: a finalizer may run late, and the descriptor must not stay open until then.
using Holder = std::shared_ptr<const void>;

void drop_holder(napi_env, void*, void* hint) {
  const std::unique_ptr<Holder> holder(static_cast<Holder*>(hint));
}

using CreateSharedBuffer = napi_status (*)(napi_env, void*, size_t, void (*)(void*, void*), void*,
                                           napi_value*);

// From Node 22.23, 24.16 and 26.1 on; older binaries do not have the symbol.
CreateSharedBuffer create_shared_buffer() {
  static const auto function = reinterpret_cast<CreateSharedBuffer>(
      runtime_symbol("node_api_create_external_sharedarraybuffer"));
  return function;
}

template <typename Make>
Napi::Value made(const Napi::CallbackInfo& info, Make&& make) {
  return guarded(info.Env(), [&] {
    return SharedMemoryHandle::wrap(info.Env(), std::make_shared<SharedMemory>(make()));
  });
}

// createMemory(name, size, mode, exclusive)
Napi::Value create(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return SharedMemory::create(info[0].As<Napi::String>(),
                                {.size = to_u64(info[1]),
                                 .mode = info[2].As<Napi::Number>().Uint32Value(),
                                 .exclusive = info[3].As<Napi::Boolean>()});
  });
}

// openMemory(name, readOnly, owner)
Napi::Value open(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return SharedMemory::open(info[0].As<Napi::String>(),
                              info[1].As<Napi::Boolean>() ? Access::kReadOnly : Access::kReadWrite,
                              to_owner(info[2]));
  });
}

// anonymousMemory(size, seal, hugePages)
Napi::Value anonymous(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return SharedMemory::anonymous(to_u64(info[0]), info[1].As<Napi::Boolean>(),
                                   info[2].As<Napi::Boolean>());
  });
}

// memoryFromDescriptor(fd, requireSeals, readOnly)
Napi::Value from_descriptor(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return SharedMemory::from_descriptor(
        to_system_handle(info[0]), info[1].As<Napi::Boolean>(),
        info[2].As<Napi::Boolean>() ? Access::kReadOnly : Access::kReadWrite);
  });
}

// mapFile(path, offset, length | undefined, readOnly, populate)
Napi::Value map_file(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    SharedMemory::FileOptions options = {.offset = to_u64(info[1]),
                                         .length = std::nullopt,
                                         .read_only = info[3].As<Napi::Boolean>(),
                                         .populate = info[4].As<Napi::Boolean>()};
    if (info[2].IsNumber()) options.length = to_u64(info[2]);
    return SharedMemory::map_file(info[0].As<Napi::String>(), options);
  });
}

// unlinkMemory(name)
void unlink(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { SharedMemory::unlink(info[0].As<Napi::String>()); });
}

// detachBuffer(arrayBuffer): every view of it has length zero from now on.
void detach_buffer(const Napi::CallbackInfo& info) {
  auto buffer = info[0].As<Napi::ArrayBuffer>();
  if (!buffer.IsDetached()) buffer.Detach();
}

// hasExternalBuffers(): tried with memory that outlives everything.
Napi::Value has_external_buffers(const Napi::CallbackInfo& info) {
  static std::byte probe[8];
  const Napi::Env env = info.Env();
  if (Environment::of(env).part<MemoryPart>().external_buffers_forbidden)
    return Napi::Boolean::New(env, false);
  napi_value buffer = nullptr;
  const napi_status status =
      napi_create_external_arraybuffer(env, probe, sizeof(probe), nullptr, nullptr, &buffer);
  return Napi::Boolean::New(env, status == napi_ok);
}

// Writes a mapping back to its file without blocking the loop.
class SyncWorker : public Napi::AsyncWorker {
 public:
  SyncWorker(Napi::Env env, std::shared_ptr<SharedMemory> memory)
      : Napi::AsyncWorker(env, "sluice.sync"),
        memory_(std::move(memory)),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      memory_->sync();
    } catch (const Error& error) {
      failure_ = error;
    }
  }
  void OnOK() override {
    if (failure_) {
      deferred_.Reject(to_javascript(Env(), *failure_).Value());
    } else {
      deferred_.Resolve(Env().Undefined());
    }
  }

 private:
  std::shared_ptr<SharedMemory> memory_;
  Napi::Promise::Deferred deferred_;
  std::optional<Error> failure_;
};

}  // namespace

void SharedMemoryHandle::define(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor =
      DefineClass(env, "SharedMemoryHandle",
                  {
                      InstanceMethod<&SharedMemoryHandle::buffer>("buffer"),
                      InstanceMethod<&SharedMemoryHandle::shared_buffer>("sharedBuffer"),
                      InstanceMethod<&SharedMemoryHandle::sync>("sync"),
                      InstanceMethod<&SharedMemoryHandle::size>("size"),
                      InstanceMethod<&SharedMemoryHandle::name>("name"),
                      InstanceMethod<&SharedMemoryHandle::descriptor>("descriptor"),
                      InstanceMethod<&SharedMemoryHandle::close>("close"),
                  });
  Environment::of(env).part<MemoryPart>().constructor = Napi::Persistent(constructor);
  exports.Set("createMemory", Napi::Function::New(env, create));
  exports.Set("openMemory", Napi::Function::New(env, open));
  exports.Set("anonymousMemory", Napi::Function::New(env, anonymous));
  exports.Set("memoryFromDescriptor", Napi::Function::New(env, from_descriptor));
  exports.Set("mapFile", Napi::Function::New(env, map_file));
  exports.Set("unlinkMemory", Napi::Function::New(env, unlink));
  exports.Set("detachBuffer", Napi::Function::New(env, detach_buffer));
  exports.Set("hasExternalBuffers", Napi::Function::New(env, has_external_buffers));
  exports.Set("hasSharedBuffers", Napi::Boolean::New(env, create_shared_buffer() != nullptr));
}

Napi::Value SharedMemoryHandle::wrap(Napi::Env env, std::shared_ptr<SharedMemory> memory) {
  const Napi::Object object = Environment::of(env).part<MemoryPart>().constructor.New({});
  Unwrap(object)->memory_ = std::move(memory);
  return object;
}

SharedMemoryHandle::SharedMemoryHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<SharedMemoryHandle>(info) {}

SharedMemory& SharedMemoryHandle::require_open() const {
  if (!memory_) throw Error(error_code::kClosed, "the shared memory is closed");
  return *memory_;
}

Napi::Value SharedMemoryHandle::buffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    SharedMemory& memory = require_open();
    if (Environment::of(env).part<MemoryPart>().external_buffers_forbidden) return env.Undefined();
    auto holder = std::make_unique<Holder>(memory.mapping());
    napi_value buffer = nullptr;
    const napi_status status = napi_create_external_arraybuffer(env, memory.data(), memory.size(),
                                                                drop_holder, holder.get(), &buffer);
    if (status == napi_no_external_buffers_allowed) return env.Undefined();
    NAPI_THROW_IF_FAILED(env, status, env.Undefined());
    static_cast<void>(holder.release());  // the finalizer's from now on
    return {env, buffer};
  });
}

Napi::Value SharedMemoryHandle::shared_buffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    SharedMemory& memory = require_open();
    const auto create = create_shared_buffer();
    if (create == nullptr || Environment::of(env).part<MemoryPart>().external_buffers_forbidden) {
      return env.Undefined();
    }
    auto holder = std::make_unique<Holder>(memory.mapping());
    napi_value buffer = nullptr;
    // Its finalizer may run on any thread, whence no environment in it.
    const napi_status status = create(
        env, memory.data(), memory.size(),
        [](void*, void* hint) { drop_holder(nullptr, nullptr, hint); }, holder.get(), &buffer);
    if (status == napi_no_external_buffers_allowed) return env.Undefined();
    NAPI_THROW_IF_FAILED(env, status, env.Undefined());
    static_cast<void>(holder.release());
    return {env, buffer};
  });
}

Napi::Value SharedMemoryHandle::sync(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    require_open();
    // An AsyncWorker destroys itself when it is done.
    auto worker = std::make_unique<SyncWorker>(info.Env(), memory_);
    const Napi::Promise promise = worker->promise();
    worker.release()->Queue();
    return promise;
  });
}

Napi::Value SharedMemoryHandle::size(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), static_cast<double>(require_open().size()));
  });
}

Napi::Value SharedMemoryHandle::name(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return Napi::String::New(info.Env(), require_open().name()); });
}

Napi::Value SharedMemoryHandle::descriptor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), static_cast<double>(require_open().descriptor().number()));
  });
}

void SharedMemoryHandle::close(const Napi::CallbackInfo&) {
  memory_.reset();
}

}  // namespace sluice::binding
