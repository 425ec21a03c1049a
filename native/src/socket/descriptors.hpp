// Descriptors that belong to JavaScript objects, and several that wait to be sent.
#pragma once

#include <napi.h>

#include <vector>

#include "sluice/detail/file_descriptor.hpp"

namespace sluice::binding {

// Those that objects of one environment own by their numbers: a thread that ends leaves none.
class OwnedDescriptors {
 public:
  OwnedDescriptors() = default;
  OwnedDescriptors(const OwnedDescriptors&) = delete;
  OwnedDescriptors& operator=(const OwnedDescriptors&) = delete;
  ~OwnedDescriptors();

  int add(FileDescriptor descriptor);
  void close(int number);
  // Whether it was owned.
  bool release(int number);

 private:
  std::vector<bool> owned_;  // by number: the system gives out the smallest
};

// Duplicates that belong to a message until it is sent.
class OutgoingDescriptors : public Napi::ObjectWrap<OutgoingDescriptors> {
 public:
  explicit OutgoingDescriptors(const Napi::CallbackInfo& info);

  std::vector<int> numbers() const;
  void clear() { descriptors_.clear(); }
  void close(const Napi::CallbackInfo& info);

 private:
  std::vector<FileDescriptor> descriptors_;
};

void define_descriptors(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
