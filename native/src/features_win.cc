#include "core/environment.hpp"
#include "core/platform_parts.hpp"
#include "core/process_resources.hpp"
#include "memory/named_sections.hpp"
#include "pipe/completion_port_win.hpp"
#include "pipe/pipes.hpp"
#include "pipe/system_handles_win.hpp"

namespace sluice::binding {

void define_platform_parts(Napi::Env env, Napi::Object exports) {
  define_pipes(env, exports);
  define_system_handles(env, exports);
  define_process_resources(env, exports);
  define_named_sections(env, exports);
}

const std::shared_ptr<CompletionPort>& Environment::completion_port() {
  if (!completion_port_) completion_port_ = std::make_shared<CompletionPort>(env_);
  return completion_port_;
}

}  // namespace sluice::binding
