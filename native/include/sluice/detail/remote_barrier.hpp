// A memory barrier that one thread makes others pass, in other processes too, so that they need
// none of their own in their hot path. See "Sleeping and waking" in ring_format.hpp.
//
// membarrier(2) with GLOBAL_EXPEDITED (Linux 4.16): every processor that runs a thread of a
// registered process passes a full barrier before the call returns. A thread that does not run
// passes one when it is scheduled. Other systems have this for the threads of one process at most.
#pragma once

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#endif

namespace sluice::detail {

#if defined(__linux__)

// Own declarations, because the headers of older systems lack them.
inline constexpr int kMembarrierGlobalExpedited = 1 << 1;
inline constexpr int kMembarrierRegisterGlobalExpedited = 1 << 2;

// Makes this process one of those that pass others' barriers. Again costs a system call and no
// more. The system keeps it for the process, over fork(2) too, but not over execve(2).
inline bool register_for_remote_barriers() {
  if (std::getenv("SLUICE_NO_MEMBARRIER") != nullptr) return false;  // for the tests
  return ::syscall(SYS_membarrier, kMembarrierRegisterGlobalExpedited, 0, 0) == 0;
}

// A full barrier here and in all registered processes. False when the system refuses it.
inline bool remote_barrier() {
  return ::syscall(SYS_membarrier, kMembarrierGlobalExpedited, 0, 0) == 0;
}

#else

inline bool register_for_remote_barriers() {
  return false;
}
inline bool remote_barrier() {
  return false;
}

#endif

}  // namespace sluice::detail
