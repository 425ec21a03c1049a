#include "pipe/pipes.hpp"

namespace sluice::binding {

std::shared_ptr<CompletionPort> make_completion_port(Napi::Env) {
  return nullptr;
}

void define_pipes(Napi::Env, Napi::Object) {}

}  // namespace sluice::binding
