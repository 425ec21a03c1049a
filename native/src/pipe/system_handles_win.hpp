// Handles as numbers: duplicating, closing, and fetching them from another process.
#pragma once

#include <napi.h>

#include <cstdint>
#include <unordered_set>

#include "sluice/detail/handle_win.hpp"

namespace sluice::binding {

// The handles that objects of one environment own by their numbers. The end of the environment
// closes them: in a worker that is terminated, nobody runs the objects' finalizers in JavaScript.
class OwnedHandles {
 public:
  OwnedHandles() = default;
  OwnedHandles(const OwnedHandles&) = delete;
  OwnedHandles& operator=(const OwnedHandles&) = delete;
  ~OwnedHandles();

  int64_t add(Handle handle);
  bool has(int64_t number) const;
  void close(int64_t number);
  bool release(int64_t number);  // false: it is none of these

 private:
  std::unordered_set<int64_t> owned_;
};

void define_system_handles(Napi::Env env, Napi::Object exports);

}  // namespace sluice::binding
