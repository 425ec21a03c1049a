#include <sys/stat.h>

#include <string>
#include <utility>

#include "core/environment.hpp"
#include "core/errors.hpp"
#include "socket/descriptor_handle.hpp"
#include "socket/descriptor_kind.hpp"

namespace sluice::binding {
namespace {

// duplicateDescriptor(fd)
Napi::Value duplicate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return DescriptorHandle::wrap(
        info.Env(), FileDescriptor::duplicate(info[0].As<Napi::Number>().Int32Value()));
  });
}

// adoptDescriptor(fd): takes it over.
Napi::Value adopt(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int number = info[0].As<Napi::Number>().Int32Value();
    const int flags = ::fcntl(number, F_GETFD);
    if (flags < 0) throw Error::system("fcntl", errno, "cannot take the descriptor over");
    ::fcntl(number, F_SETFD, flags | FD_CLOEXEC);
    return DescriptorHandle::wrap(info.Env(), FileDescriptor(number));
  });
}

// descriptorKind(fd)
Napi::Value kind(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::String::New(info.Env(), descriptor_kind(info[0].As<Napi::Number>().Int32Value()));
  });
}

}  // namespace

void DescriptorHandle::define(Napi::Env env, Napi::Object exports) {
  const Napi::Function constructor =
      DefineClass(env, "DescriptorHandle",
                  {
                      InstanceMethod<&DescriptorHandle::number>("number"),
                      InstanceMethod<&DescriptorHandle::release>("release"),
                      InstanceMethod<&DescriptorHandle::close>("close"),
                  });
  Environment::of(env).descriptor = Napi::Persistent(constructor);
  exports.Set("duplicateDescriptor", Napi::Function::New(env, duplicate));
  exports.Set("adoptDescriptor", Napi::Function::New(env, adopt));
  exports.Set("descriptorKind", Napi::Function::New(env, kind));
}

Napi::Value DescriptorHandle::wrap(Napi::Env env, FileDescriptor descriptor) {
  const Napi::Object object = Environment::of(env).descriptor.New({});
  Unwrap(object)->descriptor_ = std::move(descriptor);
  return object;
}

DescriptorHandle::DescriptorHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<DescriptorHandle>(info) {}

Napi::Value DescriptorHandle::number(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), descriptor_.get());
}

Napi::Value DescriptorHandle::release(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), descriptor_.release());
}

void DescriptorHandle::close(const Napi::CallbackInfo&) {
  descriptor_.reset();
}

void OutgoingDescriptors::define(Napi::Env env, Napi::Object exports) {
  exports.Set("OutgoingDescriptors",
              DefineClass(env, "OutgoingDescriptors",
                          {InstanceMethod<&OutgoingDescriptors::close>("close")}));
}

// new OutgoingDescriptors(numbers): duplicates all or none.
OutgoingDescriptors::OutgoingDescriptors(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<OutgoingDescriptors>(info) {
  guarded(info.Env(), [&] {
    const auto numbers = info[0].As<Napi::Array>();
    const uint32_t count = numbers.Length();
    descriptors_.reserve(count);
    for (uint32_t i = 0; i < count; ++i) {
      const Napi::Value number = numbers.Get(i);
      descriptors_.push_back(FileDescriptor::duplicate(number.As<Napi::Number>().Int32Value()));
    }
  });
}

void OutgoingDescriptors::close(const Napi::CallbackInfo&) {
  descriptors_.clear();
}

}  // namespace sluice::binding
