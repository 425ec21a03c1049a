// Descriptors that belong to JavaScript objects, and several that wait to be sent.
#pragma once

#include <napi.h>

#include <utility>
#include <vector>

#include "sluice/detail/file_descriptor.hpp"
#include "socket/descriptor_closer.hpp"

namespace sluice::binding {

// The descriptors that objects of one environment own by their numbers: a thread that ends leaves
// none open.
class OwnedDescriptors {
 public:
  OwnedDescriptors() = default;
  OwnedDescriptors(const OwnedDescriptors&) = delete;
  OwnedDescriptors& operator=(const OwnedDescriptors&) = delete;
  ~OwnedDescriptors();

  // `from_peer`: whoever sent it has a hand in how long its close takes.
  int add(FileDescriptor descriptor, bool from_peer);
  void close(int number);
  // One that is nobody's yet, or a socket that may hold some of a peer's.
  void close(FileDescriptor descriptor) { closer_.close(std::move(descriptor)); }
  // False when it was none of these.
  bool release(int number);
  bool is_from_peer(int number) const;

 private:
  DescriptorCloser closer_;
  // By number: the system gives out the smallest.
  std::vector<bool> owned_;
  std::vector<bool> from_peer_;
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
