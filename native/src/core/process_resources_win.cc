#include "core/process_resources.hpp"

// clang-format off
#include "sluice/detail/handle_win.hpp"
#include <tlhelp32.h>
#include <winternl.h>
// clang-format on

#include <array>
#include <cstddef>
#include <map>
#include <string>
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

// A function of ntdll that no library of mingw has.
template <typename Function>
Function ntdll_function(const char* name) {
  return reinterpret_cast<Function>(
      reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), name)));
}

// The numbers of this process's handles, from the list of all of the system.
std::vector<HANDLE> own_handles() {
  constexpr int kExtendedHandleInformation = 64;
  constexpr NTSTATUS kTooShort = static_cast<NTSTATUS>(0xC0000004);
  using Query = NTSTATUS(WINAPI*)(int, void*, ULONG, ULONG*);
  static const auto query = ntdll_function<Query>("NtQuerySystemInformation");
  std::vector<std::byte> bytes(1 << 18);
  for (;;) {
    ULONG size = 0;
    const NTSTATUS status =
        query(kExtendedHandleInformation, bytes.data(), static_cast<ULONG>(bytes.size()), &size);
    if (status == kTooShort && bytes.size() < (1u << 28)) {
      bytes.resize(bytes.size() * 2);
      continue;
    }
    std::vector<HANDLE> own;
    if (status < 0) return own;
    const auto* list = reinterpret_cast<const SystemHandles*>(bytes.data());
    const SystemHandle* handles = &list->first;
    for (ULONG_PTR i = 0; i < list->count; ++i) {
      if (handles[i].process != ::GetCurrentProcessId()) continue;
      own.push_back(reinterpret_cast<HANDLE>(handles[i].number));
    }
    return own;
  }
}

// One of the texts that the system has about an object; empty where it has none.
std::u16string object_text(HANDLE handle, int which) {
  using Query = NTSTATUS(WINAPI*)(HANDLE, int, void*, ULONG, ULONG*);
  static const auto query = ntdll_function<Query>("NtQueryObject");
  alignas(UNICODE_STRING) std::array<std::byte, 2048> bytes = {};
  ULONG size = 0;
  if (query(handle, which, bytes.data(), static_cast<ULONG>(bytes.size()), &size) < 0) return {};
  const auto* text = reinterpret_cast<const UNICODE_STRING*>(bytes.data());
  return {reinterpret_cast<const char16_t*>(text->Buffer), text->Length / sizeof(char16_t)};
}

// What the system calls the kind of an object: "Event", "File", "Section". Events without a name
// are a kind of their own. (Files are not asked for theirs, which can hang.)
std::u16string kind_of(HANDLE handle) {
  constexpr int kNameInformation = 1;
  constexpr int kTypeInformation = 2;
  const std::u16string kind = object_text(handle, kTypeInformation);
  const bool unnamed = kind == u"Event" && object_text(handle, kNameInformation).empty();
  return unnamed ? u"unnamed Event" : kind;
}

// Wine does not count the handles of a process, and lists them.
uint32_t handle_count() {
  DWORD handles = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &handles);
  return handles != 0 ? handles : static_cast<uint32_t>(own_handles().size());
}

Napi::Value process_resources(const Napi::CallbackInfo& info) {
  Napi::Object resources = Napi::Object::New(info.Env());
  resources.Set("handles", handle_count());
  resources.Set("threads", thread_count());
  return resources;
}

Napi::Value open_handles(const Napi::CallbackInfo& info) {
  std::map<std::u16string, uint32_t> counts;
  for (HANDLE handle : own_handles()) ++counts[kind_of(handle)];
  Napi::Object kinds = Napi::Object::New(info.Env());
  for (const auto& [kind, count] : counts) {
    kinds.Set(Napi::String::New(info.Env(), kind), Napi::Number::New(info.Env(), count));
  }
  return kinds;
}

}  // namespace

void define_process_resources(Napi::Env env, Napi::Object exports) {
  exports.Set("openHandles", Napi::Function::New(env, open_handles));
  exports.Set("processResources", Napi::Function::New(env, process_resources));
}

}  // namespace sluice::binding
