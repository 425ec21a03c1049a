#include <unistd.h>

#include <cerrno>
#include <utility>

#include "core/environment.hpp"
#include "core/errors.hpp"
#include "sluice/detail/unmapped_id.hpp"
#include "socket/descriptors.hpp"
#include "socket/peer_object.hpp"

namespace sluice::binding {
namespace {

int number_of(const Napi::Value& value) {
  return value.As<Napi::Number>().Int32Value();
}

// peerOf(fd)
Napi::Value peer_of(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return peer_object(info.Env(), PeerCredentials::of_socket(number_of(info[0])));
  });
}

// peerProcess(fd, pid): { descriptor, exact }, or undefined.
Napi::Value peer_process(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    std::optional<pid_t> pid;
    if (info[1].IsNumber()) pid = number_of(info[1]);
    PeerProcess process = open_peer_process(number_of(info[0]), pid);
    if (!process.descriptor.valid()) return info.Env().Undefined();
    Napi::Object result = Napi::Object::New(info.Env());
    result.Set("descriptor", Environment::of(info.Env())
                                 .part<OwnedDescriptors>()
                                 .add(std::move(process.descriptor), false));
    result.Set("exact", process.exact);
    return result;
  });
}

// securityLabel(fd)
Napi::Value security_label(const Napi::CallbackInfo& info) {
  const auto label = peer_security_label(number_of(info[0]));
  if (!label) return info.Env().Undefined();
  return Napi::String::New(info.Env(), *label);
}

// signalProcess(pidfd, signal): 0, or the negative error number.
Napi::Value signal(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), -signal_process(number_of(info[0]), number_of(info[1])));
}

// hasExited(pidfd)
Napi::Value exited(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), has_exited(number_of(info[0])));
}

// isUnmappedUser(uid), isUnmappedGroup(gid)
Napi::Value unmapped_user(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(),
                            detail::is_unmapped_user(info[0].As<Napi::Number>().Uint32Value()));
}
Napi::Value unmapped_group(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(),
                            detail::is_unmapped_group(info[0].As<Napi::Number>().Uint32Value()));
}

// findGroup(name): its number, or undefined.
Napi::Value group(const Napi::CallbackInfo& info) {
  const auto gid = find_group(info[0].As<Napi::String>());
  if (!gid) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), *gid);
}

}  // namespace

Napi::Object peer_object(Napi::Env env, const PeerCredentials& peer) {
  Napi::Object object = Napi::Object::New(env);
  if (peer.pid) object.Set("pid", *peer.pid);
  object.Set("uid", peer.uid);
  object.Set("gid", peer.gid);
  if (peer.groups) {
    Napi::Array groups = Napi::Array::New(env, peer.groups->size());
    for (size_t i = 0; i < peer.groups->size(); ++i) {
      groups.Set(static_cast<uint32_t>(i), (*peer.groups)[i]);
    }
    object.Set("groups", groups);
  }
  return object;
}

void define_peer_functions(Napi::Env env, Napi::Object exports) {
  exports.Set("peerOf", Napi::Function::New(env, peer_of));
  exports.Set("peerProcess", Napi::Function::New(env, peer_process));
  exports.Set("securityLabel", Napi::Function::New(env, security_label));
  exports.Set("signalProcess", Napi::Function::New(env, signal));
  exports.Set("hasExited", Napi::Function::New(env, exited));
  exports.Set("isUnmappedUser", Napi::Function::New(env, unmapped_user));
  exports.Set("isUnmappedGroup", Napi::Function::New(env, unmapped_group));
  exports.Set("findGroup", Napi::Function::New(env, group));
}

}  // namespace sluice::binding
