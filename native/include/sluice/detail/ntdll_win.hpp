// Functions of ntdll.dll. They are looked up, because few programs link with it, and here alone.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "sluice/detail/windows_api.hpp"

namespace sluice::detail {

// nullptr where this Windows does not have it.
template <typename Function>
Function* find_ntdll_function(const char* name) {
  return reinterpret_cast<Function*>(
      reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleW(L"ntdll.dll"), name)));
}

template <typename Function>
Function& ntdll_function(const char* name) {
  const auto function = find_ntdll_function<Function>(name);
  if (function == nullptr) {
    throw Error(error_code::kUnsupported, std::string("this Windows has no ") + name);
  }
  return *function;
}

// The error code of a native status.
inline DWORD error_of_status(LONG status) {
  static const auto& convert = ntdll_function<ULONG WINAPI(LONG)>("RtlNtStatusToDosError");
  return convert(status);
}

inline constexpr int kObjectNameInformation = 1;
inline constexpr int kObjectTypeInformation = 2;

// A text that the kernel has about an open object: its name, or the name of its type. Nothing when
// the kernel does not tell, which it does without waiting for the object.
inline std::optional<std::wstring> object_text(HANDLE handle, int which) {
  static const auto& query =
      ntdll_function<LONG WINAPI(HANDLE, int, void*, ULONG, ULONG*)>("NtQueryObject");
  // Both kinds of information begin with the text.
  alignas(UNICODE_STRING) std::array<std::byte, sizeof(UNICODE_STRING) + 2048> bytes;
  ULONG size = 0;
  if (query(handle, which, bytes.data(), static_cast<ULONG>(bytes.size()), &size) < 0) return {};
  const auto& text = *reinterpret_cast<const UNICODE_STRING*>(bytes.data());
  if (text.Buffer == nullptr) return std::wstring();
  return std::wstring(text.Buffer, text.Length / sizeof(wchar_t));
}

}  // namespace sluice::detail
