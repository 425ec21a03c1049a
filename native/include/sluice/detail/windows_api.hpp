// <windows.h> without what it does to everybody else's names, and the text conversions for it.
#pragma once

#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#if !defined(WIN32_LEAN_AND_MEAN)
#define WIN32_LEAN_AND_MEAN
#endif
#if !defined(_WIN32_WINNT)
#define _WIN32_WINNT 0x0A00
#endif
// clang-format off
#include <windows.h>
// These need it before them, with the definitions above.
#include <aclapi.h>
#include <sddl.h>
#include <winternl.h>
// clang-format on

#include <string>

#include "sluice/error.hpp"

namespace sluice::detail {

inline std::wstring to_wide(const std::string& text) {
  if (text.empty()) return {};
  const int bytes = static_cast<int>(text.size());
  const int length = ::MultiByteToWideChar(CP_UTF8, 0, text.data(), bytes, nullptr, 0);
  std::wstring wide(static_cast<size_t>(length), L'\0');
  ::MultiByteToWideChar(CP_UTF8, 0, text.data(), bytes, wide.data(), length);
  return wide;
}

inline std::string to_utf8(const std::wstring& wide) {
  if (wide.empty()) return {};
  const int units = static_cast<int>(wide.size());
  const int length =
      ::WideCharToMultiByte(CP_UTF8, 0, wide.data(), units, nullptr, 0, nullptr, nullptr);
  std::string text(static_cast<size_t>(length), '\0');
  ::WideCharToMultiByte(CP_UTF8, 0, wide.data(), units, text.data(), length, nullptr, nullptr);
  return text;
}

// The system's text for an error code, without its line end.
inline std::string describe(DWORD code) {
  wchar_t text[512];
  DWORD length =
      ::FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, code, 0,
                       text, static_cast<DWORD>(sizeof(text) / sizeof(text[0])), nullptr);
  while (length > 0 && (text[length - 1] <= L' ' || text[length - 1] == L'.')) --length;
  const std::string number = "Windows error " + std::to_string(code);
  return length == 0 ? number : to_utf8(std::wstring(text, length)) + " (" + number + ")";
}

inline Error windows_error(const char* syscall, DWORD code, const std::string& attempt,
                           const std::string& address) {
  return Error::system(
      syscall, static_cast<int>(code),
      attempt + (address.empty() ? "" : " '" + address + "'") + ": " + describe(code), address);
}

}  // namespace sluice::detail
