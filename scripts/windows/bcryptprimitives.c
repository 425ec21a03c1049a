// Wine 8 has no bcryptprimitives.dll, whose one public function programs written in Go (esbuild)
// ask for at their start.
#include <windows.h>

#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
  return RtlGenRandom(data, (ULONG)size);
}
