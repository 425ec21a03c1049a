#include "core/process_resources.hpp"

// clang-format off
#include "sluice/handle_win.hpp"
#include <tlhelp32.h>
// clang-format on

#include <cstddef>
#include <vector>

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

// SYSTEM_HANDLE_INFORMATION_EX, which no header has.
struct SystemHandle {
  void* object;
  ULONG_PTR process;
  ULONG_PTR number;
  ULONG access;
  USHORT trace;
  USHORT type;
  ULONG attributes;
  ULONG reserved;
};
struct SystemHandles {
  ULONG_PTR count;
  ULONG_PTR reserved;
  SystemHandle first;
};

// From the list of all handles of the system; 0 when that cannot be had.
uint32_t listed_handles() {
  constexpr int kExtendedHandleInformation = 64;
  constexpr NTSTATUS kTooShort = static_cast<NTSTATUS>(0xC0000004);
  using Query = NTSTATUS(WINAPI*)(int, void*, ULONG, ULONG*);
  static const auto query = reinterpret_cast<Query>(reinterpret_cast<void*>(
      ::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), "NtQuerySystemInformation")));
  std::vector<std::byte> bytes(1 << 18);
  for (;;) {
    ULONG size = 0;
    const NTSTATUS status =
        query(kExtendedHandleInformation, bytes.data(), static_cast<ULONG>(bytes.size()), &size);
    if (status == kTooShort && bytes.size() < (1u << 28)) {
      bytes.resize(bytes.size() * 2);
      continue;
    }
    if (status < 0) return 0;
    const auto* list = reinterpret_cast<const SystemHandles*>(bytes.data());
    const SystemHandle* handles = &list->first;
    uint32_t count = 0;
    for (ULONG_PTR i = 0; i < list->count; ++i) {
      if (handles[i].process == ::GetCurrentProcessId()) ++count;
    }
    return count;
  }
}

// Wine does not count the handles of a process, and lists them.
uint32_t handle_count() {
  DWORD handles = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &handles);
  return handles != 0 ? handles : listed_handles();
}

Napi::Value process_resources(const Napi::CallbackInfo& info) {
  Napi::Object resources = Napi::Object::New(info.Env());
  resources.Set("handles", handle_count());
  resources.Set("threads", thread_count());
  return resources;
}

}  // namespace

void define_process_resources(Napi::Env env, Napi::Object exports) {
  exports.Set("processResources", Napi::Function::New(env, process_resources));
}

}  // namespace sluice::binding
