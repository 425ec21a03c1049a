// On Windows nothing is left of a creator that dies: a section has all its bytes from the
// beginning, and goes with the last process that has it open. Who finds one that is half made lets
// go of it and tries to create it, again and again.
// (named_ring_maker.hpp includes this file at its end.)
#pragma once

#include <memory>
#include <string>
#include <utility>

namespace sluice {

class NamedRingMaker {
 public:
  NamedRingMaker(std::string name, uint32_t capacity, uint32_t mode)
      : name_(std::move(name)), capacity_(capacity), mode_(mode) {}

  RingMemory create() const {
    return RingMemory::initialise(
        std::make_shared<SharedMemory>(SharedMemory::create(
            name_, {.size = ring_memory_size(capacity_), .mode = mode_, .exclusive = true})),
        capacity_);
  }

  static RingCreation creation_of(const std::string&) { return RingCreation::kNone; }

  static bool remove_abandoned(const std::string&, const Owner&) { return false; }

 private:
  std::string name_;
  uint32_t capacity_;
  uint32_t mode_;
};

}  // namespace sluice
