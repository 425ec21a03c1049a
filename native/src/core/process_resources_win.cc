#include "core/process_resources.hpp"

// clang-format off
#include "sluice/handle_win.hpp"
#include <tlhelp32.h>
// clang-format on

namespace sluice::binding {
namespace {

uint32_t thread_count() {
  const Handle snapshot(::CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0));
  const DWORD self = ::GetCurrentProcessId();
  uint32_t count = 0;
  THREADENTRY32 thread = {};
  thread.dwSize = sizeof(thread);
  for (BOOL more = ::Thread32First(snapshot.get(), &thread); more;
       more = ::Thread32Next(snapshot.get(), &thread)) {
    if (thread.th32OwnerProcessID == self) ++count;
  }
  return count;
}

Napi::Value process_resources(const Napi::CallbackInfo& info) {
  DWORD handles = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &handles);
  Napi::Object resources = Napi::Object::New(info.Env());
  resources.Set("handles", static_cast<uint32_t>(handles));
  resources.Set("threads", thread_count());
  return resources;
}

}  // namespace

void define_process_resources(Napi::Env env, Napi::Object exports) {
  exports.Set("processResources", Napi::Function::New(env, process_resources));
}

}  // namespace sluice::binding
