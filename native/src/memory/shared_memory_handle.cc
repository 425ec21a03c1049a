#include "memory/shared_memory_handle.hpp"

#include <string>
#include <utility>

#include "core/arguments.hpp"
#include "core/environment.hpp"
#include "core/errors.hpp"
#include "memory/external_buffer.hpp"

namespace sluice::binding {
namespace {

// The state that an environment keeps for shared memory.
struct MemoryPart {
  Napi::FunctionReference constructor;
};

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

// offset, length | undefined
MemoryRange to_range(const Napi::Value& offset, const Napi::Value& length) {
  MemoryRange range = {.offset = to_u64(offset), .length = std::nullopt};
  if (length.IsNumber()) range.length = to_u64(length);
  return range;
}

// openMemory(name, readOnly, owner, offset, length | undefined)
Napi::Value open(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return SharedMemory::open(info[0].As<Napi::String>(),
                              info[1].As<Napi::Boolean>() ? Access::kReadOnly : Access::kReadWrite,
                              to_owner(info[2]), to_range(info[3], info[4]));
  });
}

// anonymousMemory(size, seal, hugePages)
Napi::Value anonymous(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return SharedMemory::anonymous(to_u64(info[0]), info[1].As<Napi::Boolean>(),
                                   info[2].As<Napi::Boolean>());
  });
}

// memoryFromDescriptor(fd, requireSeals, readOnly, offset, length | undefined)
Napi::Value from_descriptor(const Napi::CallbackInfo& info) {
  return made(info, [&] {
    return SharedMemory::from_descriptor(
        to_system_handle(info[0]), info[1].As<Napi::Boolean>(),
        info[2].As<Napi::Boolean>() ? Access::kReadOnly : Access::kReadWrite,
        to_range(info[3], info[4]));
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

Napi::Value has_external_buffers(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), has_external_array_buffers(info.Env()));
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
  exports.Set("hasSharedBuffers", Napi::Boolean::New(env, has_external_shared_array_buffers()));
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
  return guarded(info.Env(), [&] {
    SharedMemory& memory = require_open();
    return external_array_buffer(info.Env(), memory.mapping(), memory.data(), memory.size());
  });
}

Napi::Value SharedMemoryHandle::shared_buffer(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    SharedMemory& memory = require_open();
    return external_shared_array_buffer(info.Env(), memory.mapping(), memory.data(), memory.size());
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
