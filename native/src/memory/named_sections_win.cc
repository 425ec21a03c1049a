// `Local\` is a directory of the kernel's object manager. The calls that read it are the native
// ones of ntdll, which are documented.
#include <array>
#include <set>
#include <string>
#include <utility>

#include "core/errors.hpp"
#include "memory/named_sections.hpp"
#include "sluice/detail/ntdll_win.hpp"
#include "sluice/shared_memory.hpp"

namespace sluice::binding {
namespace {

constexpr ACCESS_MASK kDirectoryQuery = 0x0001;
constexpr ACCESS_MASK kSectionQuery = 0x0001;
constexpr int kSectionBasicInformation = 0;

struct DirectoryEntry {  // OBJECT_DIRECTORY_INFORMATION
  UNICODE_STRING name;
  UNICODE_STRING type;
};

struct SectionInformation {  // SECTION_BASIC_INFORMATION
  void* base;
  ULONG attributes;
  LARGE_INTEGER size;
};

using NtOpenDirectoryObject = LONG NTAPI(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
using NtQueryDirectoryObject = LONG NTAPI(HANDLE, void*, ULONG, BOOLEAN, BOOLEAN, ULONG*, ULONG*);
using NtOpenSection = LONG NTAPI(HANDLE*, ACCESS_MASK, OBJECT_ATTRIBUTES*);
using NtQuerySection = LONG NTAPI(HANDLE, int, void*, SIZE_T, SIZE_T*);

std::wstring text_of(const UNICODE_STRING& text) {
  return {text.Buffer, text.Length / sizeof(wchar_t)};
}

// The kernel's path of the directory that this process knows as `Local\`. Services share that of
// the whole machine.
std::wstring local_directory() {
  DWORD session = 0;
  ::ProcessIdToSessionId(::GetCurrentProcessId(), &session);
  std::wstring path;
  if (session != 0) path.append(L"\\Sessions\\").append(std::to_wstring(session));
  return path.append(L"\\BaseNamedObjects");
}

// Opens an object by its name, in a directory or from the root.
template <typename Open>
LONG open_object(Open& open, Handle& handle, ACCESS_MASK access, HANDLE directory,
                 std::wstring name) {
  UNICODE_STRING text = {};
  text.Buffer = name.data();
  text.Length = static_cast<USHORT>(name.size() * sizeof(wchar_t));
  text.MaximumLength = text.Length;
  OBJECT_ATTRIBUTES attributes = {};
  attributes.Length = sizeof(attributes);
  attributes.RootDirectory = directory;
  attributes.ObjectName = &text;
  attributes.Attributes = OBJ_CASE_INSENSITIVE;
  HANDLE opened = nullptr;
  const LONG status = open(&opened, access, &attributes);
  if (status >= 0) handle = Handle(opened);
  return status;
}

Handle open_local_directory() {
  Handle directory;
  const LONG status =
      open_object(detail::ntdll_function<NtOpenDirectoryObject>("NtOpenDirectoryObject"), directory,
                  kDirectoryQuery, nullptr, local_directory());
  if (status < 0) {
    throw detail::windows_error("NtOpenDirectoryObject", detail::error_of_status(status),
                                "cannot list shared memory", "");
  }
  return directory;
}

// The kernel's names of the sections that shared memory has made.
std::set<std::wstring> section_names(const Handle& directory) {
  auto& query = detail::ntdll_function<NtQueryDirectoryObject>("NtQueryDirectoryObject");
  std::set<std::wstring> names;
  alignas(DirectoryEntry) std::array<std::byte, 4096> bytes = {};
  ULONG context = 0;
  BOOLEAN restart = TRUE;
  // One entry a call: Wine has no other way.
  while (query(directory.get(), bytes.data(), static_cast<ULONG>(bytes.size()), TRUE, restart,
               &context, nullptr) >= 0) {
    restart = FALSE;
    const auto& entry = *reinterpret_cast<const DirectoryEntry*>(bytes.data());
    std::wstring name = text_of(entry.name);
    if (text_of(entry.type) == L"Section" && name.starts_with(detail::kObjectPrefix)) {
      names.insert(std::move(name));
    }
  }
  return names;
}

// An object that comes or goes between two calls moves its neighbours, and one can be passed over:
// a list that two readings agree on is whole.
std::set<std::wstring> settled_section_names(const Handle& directory) {
  constexpr int kMostReadings = 8;
  std::set<std::wstring> names = section_names(directory);
  for (int i = 1; i < kMostReadings; ++i) {
    std::set<std::wstring> again = section_names(directory);
    if (again == names) break;
    names = std::move(again);
  }
  return names;
}

// Undefined for a section that has gone meanwhile, or that this user may not ask about.
Napi::Value describe_section(Napi::Env env, const Handle& directory, const std::wstring& name) {
  Handle section;
  const LONG status = open_object(detail::ntdll_function<NtOpenSection>("NtOpenSection"), section,
                                  kSectionQuery | READ_CONTROL, directory.get(), name);
  SectionInformation information = {};
  if (status < 0 || detail::ntdll_function<NtQuerySection>("NtQuerySection")(
                        section.get(), kSectionBasicInformation, &information, sizeof(information),
                        nullptr) < 0) {
    return env.Undefined();
  }
  const std::string bare = detail::to_utf8(name.substr(std::wstring(detail::kObjectPrefix).size()));
  const std::string shown = std::string("/").append(bare);
  Napi::Object object = Napi::Object::New(env);
  object.Set("name", shown);
  object.Set("size", static_cast<double>(information.size.QuadPart));
  object.Set("ownerSid", detail::owner_sid(section, shown));
  return object;
}

// listMemory(): { name, size, ownerSid }[]
Napi::Value list(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Handle directory = open_local_directory();
    Napi::Array sections = Napi::Array::New(info.Env());
    for (const std::wstring& name : settled_section_names(directory)) {
      const Napi::Value section = describe_section(info.Env(), directory, name);
      if (!section.IsUndefined()) sections.Set(sections.Length(), section);
    }
    return sections;
  });
}

}  // namespace

void define_named_sections(Napi::Env env, Napi::Object exports) {
  exports.Set("listMemory", Napi::Function::New(env, list));
}

}  // namespace sluice::binding
