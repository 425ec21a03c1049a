// An addon for the tests: what this process holds of the system's resources, where no file says so
// as /proc does.
#include <napi.h>

// clang-format off
#include "sluice/detail/handle_win.hpp"
#include <tlhelp32.h>
#include "sluice/detail/ntdll_win.hpp"
// clang-format on

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace {

using namespace sluice;

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

// The numbers of this process's handles, from the list of all of the system.
std::vector<HANDLE> own_handles() {
  constexpr int kExtendedHandleInformation = 64;
  constexpr NTSTATUS kTooShort = static_cast<NTSTATUS>(0xC0000004);
  static const auto& query =
      detail::ntdll_function<LONG WINAPI(int, void*, ULONG, ULONG*)>("NtQuerySystemInformation");
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

std::wstring text_of(HANDLE handle, int which) {
  return detail::object_text(handle, which).value_or(std::wstring());
}

// The system's name for the kind of an object: "Event", "File", "Section". Events without a name
// are a kind of their own. (Files are not asked for theirs, which can hang.)
std::string kind_of(HANDLE handle) {
  const std::wstring kind = text_of(handle, detail::kObjectTypeInformation);
  const bool unnamed = kind == L"Event" && text_of(handle, detail::kObjectNameInformation).empty();
  return unnamed ? "unnamed Event" : detail::to_utf8(kind);
}

// Wine does not count the handles of a process, and lists them.
uint32_t handle_count() {
  DWORD handles = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &handles);
  return handles != 0 ? handles : static_cast<uint32_t>(own_handles().size());
}

// processResources(): { handles, threads }, which are counts.
Napi::Value process_resources(const Napi::CallbackInfo& info) {
  Napi::Object resources = Napi::Object::New(info.Env());
  resources.Set("handles", handle_count());
  resources.Set("threads", thread_count());
  return resources;
}

// openHandles(): how many there are of each kind.
Napi::Value open_handles(const Napi::CallbackInfo& info) {
  std::map<std::string, uint32_t> counts;
  for (HANDLE handle : own_handles()) ++counts[kind_of(handle)];
  Napi::Object kinds = Napi::Object::New(info.Env());
  for (const auto& [kind, count] : counts) {
    kinds.Set(kind, Napi::Number::New(info.Env(), count));
  }
  return kinds;
}

Napi::Object load(Napi::Env env, Napi::Object exports) {
  exports.Set("openHandles", Napi::Function::New(env, open_handles));
  exports.Set("processResources", Napi::Function::New(env, process_resources));
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, load)
