// A name is there before its memory, and the memory before it is a ring. Whoever makes the ring
// holds the making lock meanwhile. A ring that is half made and not locked is of a creator that has
// died, or that has made the name an instant ago and comes to the lock too late. Whoever gets the
// lock may remove the name; a creator that finds itself without one has lost it, as if it had come
// later.
//
// The first bytes are the ring's magic ones from the moment that there are any, before the memory
// is allocated, which takes long: what other programs keep in shared memory is never taken for a
// ring that is half made. (macOS can write to such memory only through a mapping, and so later.)
// (named_ring_maker.hpp includes this file at its end.)
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "sluice/detail/failpoint.hpp"
#include "sluice/detail/making_lock.hpp"

namespace sluice {

class NamedRingMaker {
 public:
  NamedRingMaker(const std::string& name, uint32_t capacity, uint32_t mode)
      : name_(SharedMemory::canonical_name(name)), capacity_(capacity), mode_(mode) {}

  // Throws EEXIST when the name is somebody's.
  RingMemory create() const {
    SharedMemory memory = SharedMemory::reserve(name_);
    detail::reached_failpoint(detail::Failpoint::kRingNamed);
    const auto lock = MakingLock::try_acquire(memory);
    if (!lock || !is_half_made(memory)) {
      throw detail::memory_error("shm_open", EEXIST, "cannot create shared memory", name_);
    }
    detail::UnlinkOnFailure guard(name_);
    mark(memory);
    detail::reached_failpoint(detail::Failpoint::kRingMarked);
    memory.fill(ring_memory_size(capacity_), mode_);
    detail::reached_failpoint(detail::Failpoint::kRingFilled);
    auto ring =
        RingMemory::initialise(std::make_shared<SharedMemory>(std::move(memory)), capacity_);
    detail::reached_failpoint(detail::Failpoint::kRingMade);
    guard.disarm();
    return ring;
  }

  // Throws ENOENT.
  static RingCreation creation_of(const std::string& name) {
    SharedMemory memory = SharedMemory::open_unmapped(SharedMemory::canonical_name(name),
                                                      Access::kReadOnly, {.any = true});
    if (!is_half_made(memory)) return RingCreation::kNone;
    if (MakingLock::is_held(memory)) return RingCreation::kUnderWay;
    // It may have been finished since the first look.
    return is_half_made(memory) ? RingCreation::kAbandoned : RingCreation::kNone;
  }

  // Removes the name of a ring whose creator has died on the way. False: there is none such.
  static bool remove_abandoned(const std::string& given, const Owner& owner) {
    const std::string name = SharedMemory::canonical_name(given);
    SharedMemory memory = SharedMemory::open_unmapped(name, Access::kReadWrite, owner);
    if (!is_half_made(memory)) return false;
    const auto lock = MakingLock::try_acquire(memory);
    if (!lock || !is_half_made(memory)) return false;
    SharedMemory::unlink(name);
    return true;
  }

 private:
  // Failing is no harm: where the system has no room, or no such call, the rest will tell.
  static void mark(const SharedMemory& memory) {
    [[maybe_unused]] const auto written =
        ::pwrite(memory.descriptor().get(), kRingMagic, sizeof(kRingMagic), 0);
  }

  // Whether it has a name, and no bytes or the magic ones without a version.
  static bool is_half_made(SharedMemory& memory) {
    const struct stat status = detail::file_status(memory.descriptor(), memory.name());
    if (detail::was_removed(status)) return false;
    const auto size = static_cast<uint64_t>(status.st_size);
    if (size == 0) return true;
    if (size < sizeof(kRingMagic)) return false;
    memory.map(0, std::min(size, uint64_t{kRingHeaderSize}), false);
    // All of it is there: the last page of a mapping is whole, and its rest zero.
    const RingHeader& header = *reinterpret_cast<const RingHeader*>(memory.data());
    return std::memcmp(header.magic, kRingMagic, sizeof(kRingMagic)) == 0 &&
           header.version.load(std::memory_order_relaxed) == 0;
  }

  std::string name_;
  uint32_t capacity_;
  uint32_t mode_;
};

}  // namespace sluice
