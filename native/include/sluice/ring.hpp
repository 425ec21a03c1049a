// A lock-free single-producer single-consumer queue of byte records in shared memory: the one
// header that a C++ program includes to be the other end of a ring.
//
//   sluice::Ring ring = sluice::Ring::open("/ticks");
//   sluice::RingConsumer consumer = ring.consumer();
//   while (consumer.wait_for_message(std::chrono::seconds(1)) == sluice::WaitStatus::kReady) {
//     consumer.drain([](const sluice::RingConsumer::Message& message) { ...; return true; });
//   }
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "sluice/detail/deadline.hpp"
#include "sluice/detail/ring_memory.hpp"
#include "sluice/ring_consumer.hpp"
#include "sluice/ring_producer.hpp"

namespace sluice {

class Ring {
 public:
  static constexpr RingMemory::Timeout kDefaultTimeout{1000};

  static Ring create(const std::string& name, uint64_t capacity, uint32_t mode = 0600) {
    require_valid(capacity);
    auto memory = std::make_shared<SharedMemory>(
        SharedMemory::create(name, {.size = ring_memory_size(static_cast<uint32_t>(capacity)),
                                    .mode = mode,
                                    .exclusive = true}));
    return Ring(RingMemory::initialise(std::move(memory), static_cast<uint32_t>(capacity)));
  }

  static Ring open(const std::string& name, RingMemory::Timeout timeout = kDefaultTimeout,
                   const Owner& owner = {});

  // The capacity counts only when the ring is created.
  static Ring open_or_create(const std::string& name, uint64_t capacity, uint32_t mode = 0600,
                             RingMemory::Timeout timeout = kDefaultTimeout,
                             const Owner& owner = {});

  static Ring anonymous(uint64_t capacity) {
    require_valid(capacity);
    auto memory = std::make_shared<SharedMemory>(
        SharedMemory::anonymous(ring_memory_size(static_cast<uint32_t>(capacity))));
    return Ring(RingMemory::initialise(std::move(memory), static_cast<uint32_t>(capacity)));
  }

  static Ring from_descriptor(SystemHandleNumber fd, bool require_seals = true) {
    return Ring(RingMemory::attach(
        std::make_shared<SharedMemory>(SharedMemory::from_descriptor(fd, require_seals)),
        RingMemory::Timeout::zero()));
  }

  const RingMemory& memory() const { return memory_; }
  uint32_t capacity() const { return memory_.capacity(); }

  // Claims the role; throws ERR_SLUICE_ROLE_TAKEN when a living process has it.
  RingProducer producer() const { return RingProducer(memory_); }
  RingConsumer consumer() const { return RingConsumer(memory_); }

 private:
  explicit Ring(RingMemory memory) : memory_(std::move(memory)) {}

  static void require_valid(uint64_t capacity) {
    if (ring_capacity_is_valid(capacity)) return;
    throw Error(error_code::kInvalidArgument, "a ring's capacity must be a power of two from " +
                                                  std::to_string(kRingMinCapacity) + " to " +
                                                  std::to_string(kRingMaxCapacity) +
                                                  " bytes, not " + std::to_string(capacity));
  }

  RingMemory memory_;
};

inline Ring Ring::open(const std::string& name, RingMemory::Timeout timeout, const Owner& owner) {
  const auto deadline = deadline_after(timeout);
  for (;;) {
    try {
      auto memory =
          std::make_shared<SharedMemory>(SharedMemory::open(name, Access::kReadWrite, owner));
      const auto left = std::chrono::duration_cast<RingMemory::Timeout>(
          deadline - std::chrono::steady_clock::now());
      return Ring(
          RingMemory::attach(std::move(memory), std::max(left, RingMemory::Timeout::zero())));
    } catch (const EmptyMemory&) {
      // The creator is between making the name and giving it a size.
      if (std::chrono::steady_clock::now() >= deadline) {
        throw not_sized_in_time(SharedMemory::canonical_name(name), timeout.count());
      }
      std::this_thread::sleep_for(RingMemory::Timeout(1));
    }
  }
}

inline Ring Ring::open_or_create(const std::string& name, uint64_t capacity, uint32_t mode,
                                 RingMemory::Timeout timeout, const Owner& owner) {
  require_valid(capacity);
  // The name can appear between the two attempts, or vanish; a few rounds settle that.
  for (int round = 0;; ++round) {
    try {
      return create(name, capacity, mode);
    } catch (const Error& error) {
      if (!detail::already_exists(error) || round == 8) throw;
    }
    try {
      return open(name, timeout, owner);
    } catch (const Error& error) {
      if (!detail::not_found(error) || round == 8) throw;
    }
  }
}

}  // namespace sluice
