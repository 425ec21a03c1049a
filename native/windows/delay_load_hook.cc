// Binds the addon to the program that loads it, whatever that is called. node-gyp adds a hook of
// its own; this one is for the mingw build (cmake/mingw_node_import.cmake).
// clang-format off
#include "sluice/detail/windows_api.hpp"
#include <delayimp.h>
// clang-format on

namespace {

FARPROC WINAPI find_host(unsigned event, PDelayLoadInfo info) {
  if (event != dliNotePreLoadLibrary || ::lstrcmpiA(info->szDll, "node.exe") != 0) return nullptr;
  return reinterpret_cast<FARPROC>(::GetModuleHandleW(nullptr));
}

}  // namespace

extern "C" {
PfnDliHook __pfnDliNotifyHook2 = find_host;
}
