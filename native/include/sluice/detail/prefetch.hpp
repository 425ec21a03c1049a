// Asks for a cache line that will be written soon, so that it comes from the other core meanwhile.
#pragma once

#if defined(_MSC_VER)
#include <intrin.h>
#endif

namespace sluice {

inline void prefetch_to_write(const void* address) {
#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
  _m_prefetchw(address);
#elif defined(__x86_64__) || defined(__i386__)
  // Not __builtin_prefetch, which without further options asks for a shared copy only. A processor
  // that does not know the instruction takes it for nothing.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(address)));
#elif defined(__GNUC__)
  __builtin_prefetch(address, 1);
#else
  (void)address;
#endif
}

}  // namespace sluice
