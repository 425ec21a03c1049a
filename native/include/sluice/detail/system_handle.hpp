// The system's reference to an open object: a file descriptor, or a Windows handle.
#pragma once

#if defined(_WIN32)
#include "sluice/detail/handle_win.hpp"  // IWYU pragma: export
namespace sluice {
using SystemHandle = Handle;
using SystemHandleNumber = HANDLE;
}  // namespace sluice
#else
#include "sluice/detail/file_descriptor.hpp"  // IWYU pragma: export
namespace sluice {
using SystemHandle = FileDescriptor;
using SystemHandleNumber = int;
}  // namespace sluice
#endif
