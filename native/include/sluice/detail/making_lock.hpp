// The lock that whoever makes a named ring holds until the ring is there. The system drops it when
// its holder dies: a ring that is not there yet and whose lock is free has nobody to finish it.
// (Not on Windows, where the memory itself goes with a creator that dies.)
#pragma once

#include <cstddef>
#include <cstdint>

#include "sluice/ring_format.hpp"

namespace sluice::detail {

// The word that says, when it is stored, that the ring is there.
inline constexpr uint32_t kMakingByte = offsetof(RingHeader, version);

}  // namespace sluice::detail

#if defined(__linux__)
#include "sluice/detail/making_lock_linux.hpp"  // IWYU pragma: export
#else
#include "sluice/detail/making_lock_bsd.hpp"  // IWYU pragma: export
#endif
