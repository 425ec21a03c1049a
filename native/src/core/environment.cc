#include "core/environment.hpp"

namespace sluice::binding {

Environment::Environment(Napi::Env env) : env_(env) {
  env.AddCleanupHook([](Environment* self) { self->shut_down(); }, this);
}

Environment::~Environment() {
  while (!slots_.empty()) slots_.pop_back();
}

std::shared_ptr<void> Environment::find(const void* key) const {
  for (const Slot& slot : slots_) {
    if (slot.key == key) return slot.part;
  }
  return nullptr;
}

void Environment::shut_down() {
  while (!shutdowns_.empty()) {
    const std::function<void()> shut_down = std::move(shutdowns_.back());
    shutdowns_.pop_back();
    shut_down();
  }
}

}  // namespace sluice::binding
