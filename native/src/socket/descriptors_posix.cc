#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "core/environment.hpp"
#include "core/errors.hpp"
#include "socket/descriptor_kind.hpp"
#include "socket/descriptors.hpp"

namespace sluice::binding {
namespace {

int number_of(const Napi::Value& value) {
  return value.As<Napi::Number>().Int32Value();
}

OwnedDescriptors& owned(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).part<OwnedDescriptors>();
}

// duplicateDescriptor(fd)
Napi::Value duplicate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    OwnedDescriptors& all = owned(info);
    const int original = number_of(info[0]);
    const int number = all.add(FileDescriptor::duplicate(original), all.is_from_peer(original));
    return Napi::Number::New(info.Env(), number);
  });
}

// adoptDescriptor(fd): takes it over.
Napi::Value adopt(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int number = number_of(info[0]);
    const int flags = ::fcntl(number, F_GETFD);
    if (flags < 0) throw Error::system("fcntl", errno, "cannot take the descriptor over");
    ::fcntl(number, F_SETFD, flags | FD_CLOEXEC);
    return Napi::Number::New(info.Env(), owned(info).add(FileDescriptor(number), false));
  });
}

// closeDescriptor(fd)
void close(const Napi::CallbackInfo& info) {
  owned(info).close(number_of(info[0]));
}

// releaseDescriptor(fd): it is somebody else's from now on.
void release(const Napi::CallbackInfo& info) {
  owned(info).release(number_of(info[0]));
}

// descriptorKind(fd)
Napi::Value kind(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::String::New(info.Env(), descriptor_kind(number_of(info[0])));
  });
}

// socketUse(fd): what a stream socket is for, 'connection' or 'listener'; 'other' for any other.
Napi::Value socket_use(const Napi::CallbackInfo& info) {
  const int number = number_of(info[0]);
  int type = 0;
  int listens = 0;
  socklen_t size = sizeof(int);
  const bool stream = ::getsockopt(number, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
                      type == SOCK_STREAM &&
                      ::getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0;
  if (!stream) return Napi::String::New(info.Env(), "other");
  return Napi::String::New(info.Env(), listens != 0 ? "listener" : "connection");
}

}  // namespace

OwnedDescriptors::~OwnedDescriptors() {
  for (size_t number = 0; number < owned_.size(); ++number) close(static_cast<int>(number));
}

int OwnedDescriptors::add(FileDescriptor descriptor, bool from_peer) {
  const auto number = static_cast<size_t>(descriptor.get());
  if (number >= owned_.size()) {
    owned_.resize(number + 1);
    from_peer_.resize(number + 1);
  }
  owned_[number] = true;
  from_peer_[number] = from_peer;
  return descriptor.release();
}

void OwnedDescriptors::close(int number) {
  const bool from_peer = is_from_peer(number);
  if (!release(number)) return;
  FileDescriptor descriptor(number);
  if (from_peer) closer_.close(std::move(descriptor));
}

bool OwnedDescriptors::is_from_peer(int number) const {
  const auto index = static_cast<size_t>(number);
  return index < owned_.size() && owned_[index] && from_peer_[index];
}

bool OwnedDescriptors::release(int number) {
  const auto index = static_cast<size_t>(number);
  if (index >= owned_.size() || !owned_[index]) return false;
  owned_[index] = false;
  return true;
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
      descriptors_.push_back(FileDescriptor::duplicate(number_of(number)));
    }
  });
}

std::vector<int> OutgoingDescriptors::numbers() const {
  std::vector<int> numbers;
  numbers.reserve(descriptors_.size());
  for (const FileDescriptor& descriptor : descriptors_) numbers.push_back(descriptor.get());
  return numbers;
}

void OutgoingDescriptors::close(const Napi::CallbackInfo&) {
  descriptors_.clear();
}

void define_descriptors(Napi::Env env, Napi::Object exports) {
  exports.Set("duplicateDescriptor", Napi::Function::New(env, duplicate));
  exports.Set("adoptDescriptor", Napi::Function::New(env, adopt));
  exports.Set("closeDescriptor", Napi::Function::New(env, close));
  exports.Set("releaseDescriptor", Napi::Function::New(env, release));
  exports.Set("socketUse", Napi::Function::New(env, socket_use));
  exports.Set("descriptorKind", Napi::Function::New(env, kind));
  exports.Set("OutgoingDescriptors",
              OutgoingDescriptors::DefineClass(
                  env, "OutgoingDescriptors",
                  {OutgoingDescriptors::InstanceMethod<&OutgoingDescriptors::close>("close")}));
}

}  // namespace sluice::binding
