// How a named ring comes to be, so that a creator which dies on the way leaves nothing that is in
// the way of the next.
#pragma once

#include "sluice/detail/ring_memory.hpp"

namespace sluice {

enum class RingCreation {
  kNone,       // the ring is there, or this is no ring at all
  kUnderWay,   // somebody is making it
  kAbandoned,  // nobody is: its creator has died on the way
};

}  // namespace sluice

#if defined(_WIN32)
#include "sluice/detail/named_ring_maker_win.hpp"  // IWYU pragma: export
#else
#include "sluice/detail/named_ring_maker_posix.hpp"  // IWYU pragma: export
#endif
