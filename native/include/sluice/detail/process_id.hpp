// The current process's id, as it is written into rings for people to read.
#pragma once

#include <cstdint>

#if defined(_WIN32)
#include <process.h>
namespace sluice {
inline uint32_t process_id() {
  return static_cast<uint32_t>(::_getpid());
}
}  // namespace sluice
#else
#include <unistd.h>
namespace sluice {
inline uint32_t process_id() {
  return static_cast<uint32_t>(::getpid());
}
}  // namespace sluice
#endif
