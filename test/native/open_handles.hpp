// How many descriptors, or on Windows handles, this process has open.
#pragma once

#include <cstddef>

#if defined(_WIN32)
#include "sluice/detail/windows_api.hpp"

namespace check {

inline size_t open_handles() {
  DWORD count = 0;
  ::GetProcessHandleCount(::GetCurrentProcess(), &count);
  return count;
}

}  // namespace check
#else
#include <filesystem>
#include <iterator>

namespace check {

inline size_t open_handles() {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

}  // namespace check
#endif
