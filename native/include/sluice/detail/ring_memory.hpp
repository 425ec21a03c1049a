// A mapped piece of shared memory that has been found to be a ring, and how it becomes one.
#pragma once

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "sluice/ring_format.hpp"
#include "sluice/shared_memory.hpp"

namespace sluice {

// Thrown for a ring whose creator is on the way, or has died there.
class NotMadeYet : public Error {
 public:
  explicit NotMadeYet(const std::string& message) : Error(error_code::kTimeout, message) {}
};

class RingMemory {
 public:
  using Timeout = std::chrono::milliseconds;

  // Makes a ring out of zeroed memory.
  static RingMemory initialise(std::shared_ptr<SharedMemory> memory, uint32_t capacity);

  // Validates what it finds, or throws NotMadeYet. Everything is read once; what is kept is never
  // read from shared memory again.
  static RingMemory attach(std::shared_ptr<SharedMemory> memory);

  const SharedMemory& memory() const { return *memory_; }
  const std::shared_ptr<SharedMemory>& shared_memory() const { return memory_; }
  RingHeader& header() const { return *reinterpret_cast<RingHeader*>(memory_->data()); }
  std::byte* data() const { return memory_->data() + kRingHeaderSize; }
  uint32_t capacity() const { return capacity_; }
  uint32_t max_message_length() const { return ring_max_message_length(capacity_); }

 private:
  RingMemory(std::shared_ptr<SharedMemory> memory, uint32_t capacity)
      : memory_(std::move(memory)), capacity_(capacity) {}

  std::shared_ptr<SharedMemory> memory_;
  uint32_t capacity_;
};

inline RingMemory RingMemory::initialise(std::shared_ptr<SharedMemory> memory, uint32_t capacity) {
  RingMemory ring(std::move(memory), capacity);
  RingHeader& header = ring.header();
  std::memcpy(header.magic, kRingMagic, sizeof(kRingMagic));
  header.header_size = kRingHeaderSize;
  header.capacity = capacity;
  // release: pairs with the acquire in `attach`; who sees the version sees the rest.
  header.version.store(kRingVersion, std::memory_order_release);
  return ring;
}

inline RingMemory RingMemory::attach(std::shared_ptr<SharedMemory> memory) {
  const std::string subject =
      memory->name().empty() ? "the shared memory" : "shared memory '" + memory->name() + "'";
  const auto refuse = [&](const std::string& reason) {
    return Error(error_code::kNotARing, subject + " is not a ring: " + reason);
  };
  const bool has_magic = memory->size() >= sizeof(kRingMagic) &&
                         std::memcmp(memory->data(), kRingMagic, sizeof(kRingMagic)) == 0;
  // A creator on the way writes these alone, and allocates the rest then.
  if (has_magic && memory->size() == sizeof(kRingMagic)) {
    throw NotMadeYet(subject + " is not a ring yet");
  }
  if (memory->size() < kRingHeaderSize + kRingMinCapacity) {
    throw refuse("it has only " + std::to_string(memory->size()) + " bytes");
  }
  const RingHeader& header = *reinterpret_cast<const RingHeader*>(memory->data());
  // acquire: pairs with the release in `initialise`.
  const uint32_t version = header.version.load(std::memory_order_acquire);
  if (version == 0) throw NotMadeYet(subject + " is not a ring yet");
  if (std::memcmp(header.magic, kRingMagic, sizeof(kRingMagic)) != 0) {
    throw refuse("its first bytes are not SLUICERG");
  }
  if (version >> 16 != kRingVersionMajor) {
    throw Error(error_code::kVersionMismatch,
                subject + " is a ring of format version " + std::to_string(version >> 16) + "." +
                    std::to_string(version & 0xffffu) + ", this library speaks version " +
                    std::to_string(kRingVersionMajor));
  }
  const uint32_t header_size = header.header_size;
  const uint32_t capacity = header.capacity;
  if (header_size != kRingHeaderSize) {
    throw refuse("its header has " + std::to_string(header_size) + " bytes");
  }
  if (!ring_capacity_is_valid(capacity)) {
    throw refuse("its capacity is " + std::to_string(capacity));
  }
  if (memory->size() < ring_memory_size(capacity)) {
    throw refuse("it has " + std::to_string(memory->size()) +
                 " bytes, shorter than its header says");
  }
  return {std::move(memory), capacity};
}

}  // namespace sluice
