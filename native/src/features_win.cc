#include "features.hpp"
#include "memory/named_sections.hpp"
#include "pipe/pipes.hpp"
#include "pipe/system_handles_win.hpp"

namespace sluice::binding {

void define_features_of_system(Napi::Env env, Napi::Object exports) {
  define_pipes(env, exports);
  define_system_handles(env, exports);
  define_named_sections(env, exports);
}

// Pipes bring their listener with `initialisePipes`.
void initialise_features_of_system(Environment&, const Napi::Object&) {}

}  // namespace sluice::binding
