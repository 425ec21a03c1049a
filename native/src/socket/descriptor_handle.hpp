// An owned descriptor as a JavaScript object, and several that wait to be sent.
#pragma once

#include <napi.h>

#include <vector>

#include "sluice/file_descriptor.hpp"

namespace sluice::binding {

class DescriptorHandle : public Napi::ObjectWrap<DescriptorHandle> {
 public:
  static void define(Napi::Env env, Napi::Object exports);
  static Napi::Value wrap(Napi::Env env, FileDescriptor descriptor);

  explicit DescriptorHandle(const Napi::CallbackInfo& info);

 private:
  Napi::Value number(const Napi::CallbackInfo& info);
  Napi::Value release(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  FileDescriptor descriptor_;
};

// Duplicates that belong to a message until it is sent.
class OutgoingDescriptors : public Napi::ObjectWrap<OutgoingDescriptors> {
 public:
  static void define(Napi::Env env, Napi::Object exports);

  explicit OutgoingDescriptors(const Napi::CallbackInfo& info);

  const std::vector<FileDescriptor>& descriptors() const { return descriptors_; }
  void clear() { descriptors_.clear(); }

 private:
  void close(const Napi::CallbackInfo& info);

  std::vector<FileDescriptor> descriptors_;
};

}  // namespace sluice::binding
