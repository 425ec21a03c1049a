// One Node environment (the main thread, or a worker), natively. It lives in the addon's instance
// data and dies with the environment; nothing of it is in a C++ global.
//
// Each feature keeps its state in parts of its own, of which the environment knows only the keys:
//   auto& handles = Environment::of(env).part<OwnedHandles>();
// A part is made at its first use, from the environment if it has such a constructor. Parts go in
// the reverse order in which they were made, so one may use those that it asked for when it was
// made.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

namespace sluice::binding {

class Environment {
 public:
  explicit Environment(Napi::Env env);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment();

  static Environment& of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

  Napi::Env env() const { return env_; }

  template <typename Part>
  Part& part() {
    return *shared_part<Part>();
  }

  // For objects whose finalizers may run after the environment has gone.
  template <typename Part>
  std::shared_ptr<Part> shared_part();

  // Called when the environment ends, before any finalizer runs: threads must not look at what the
  // finalizers will free. The last registered is called first, so a part ends before the parts that
  // it asked for when it was made.
  void on_shutdown(std::function<void()> shut_down) { shutdowns_.push_back(std::move(shut_down)); }

  // Makes the JavaScript error for a native one: (code, message, syscall, number, address, path,
  // pid).
  Napi::FunctionReference error_factory;

 private:
  // The address of a part's key is its name. Not const: linkers fold equal constants into one.
  template <typename Part>
  inline static char key_ = 0;

  struct Slot {
    const void* key;
    std::shared_ptr<void> part;
  };

  std::shared_ptr<void> find(const void* key) const;
  void shut_down();

  Napi::Env env_;
  std::vector<Slot> slots_;
  std::vector<std::function<void()>> shutdowns_;
};

template <typename Part>
std::shared_ptr<Part> Environment::shared_part() {
  const void* key = &key_<Part>;
  if (const std::shared_ptr<void> found = find(key)) return std::static_pointer_cast<Part>(found);
  std::shared_ptr<Part> made;
  if constexpr (std::is_constructible_v<Part, Environment&>) {
    made = std::make_shared<Part>(*this);
  } else {
    made = std::make_shared<Part>();
  }
  slots_.push_back({key, made});
  return made;
}

}  // namespace sluice::binding
