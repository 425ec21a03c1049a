// A lock-free single-producer single-consumer queue of byte records in shared memory: the one
// header that a C++ program includes to be the other end of a ring.
//
//   sluice::Ring ring = sluice::Ring::open("/ticks");
//   sluice::RingConsumer consumer = ring.consumer();
//   while (consumer.wait_for_message(std::chrono::seconds(1)) == sluice::WaitStatus::kReady) {
//     consumer.drain([](const sluice::RingConsumer::Message& message) { ...; return true; });
//   }
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "sluice/detail/deadline.hpp"
#include "sluice/detail/named_ring_maker.hpp"
#include "sluice/detail/ring_memory.hpp"
#include "sluice/ring_consumer.hpp"
#include "sluice/ring_producer.hpp"

namespace sluice {

class Ring {
 public:
  static constexpr RingMemory::Timeout kDefaultTimeout{1000};

  static Ring create(const std::string& name, uint64_t capacity, uint32_t mode = 0600) {
    require_valid(capacity);
    return Ring(NamedRingMaker(name, static_cast<uint32_t>(capacity), mode).create());
  }

  static Ring open(const std::string& name, RingMemory::Timeout timeout = kDefaultTimeout,
                   const Owner& owner = {});

  // The capacity counts only when the ring is created. A ring that is half made, by a creator that
  // has died, is made anew.
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
        std::make_shared<SharedMemory>(SharedMemory::from_descriptor(fd, require_seals))));
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

namespace detail {

inline Error not_made_in_time(const std::string& name) {
  const std::string canonical = SharedMemory::canonical_name(name);
  std::string why = "if its creator has died on the way, remove it";
  try {
    const RingCreation creation = NamedRingMaker::creation_of(canonical);
    if (creation == RingCreation::kUnderWay) why = "its creator is still making it";
    if (creation == RingCreation::kAbandoned) {
      why = "its creator has died on the way: openOrCreate makes it anew, `sluice rm --dead " +
            canonical + "` removes it";
    }
  } catch (const Error&) {
    // It has gone meanwhile, or may not be looked at.
  }
  return {error_code::kTimeout,
          "shared memory '" + canonical + "' has not become a ring in time; " + why};
}

// Nothing while it is only half made.
inline std::optional<RingMemory> opened_if_made(const std::string& name, const Owner& owner) {
  try {
    return RingMemory::attach(
        std::make_shared<SharedMemory>(SharedMemory::open(name, Access::kReadWrite, owner)));
  } catch (const EmptyMemory&) {
    return std::nullopt;  // the creator is between making the name and its first bytes
  } catch (const NotMadeYet&) {
    return std::nullopt;
  }
}

}  // namespace detail

inline Ring Ring::open(const std::string& name, RingMemory::Timeout timeout, const Owner& owner) {
  const auto deadline = deadline_after(timeout);
  for (;;) {
    if (auto ring = detail::opened_if_made(name, owner)) return Ring(std::move(*ring));
    if (std::chrono::steady_clock::now() >= deadline) throw detail::not_made_in_time(name);
    std::this_thread::sleep_for(RingMemory::Timeout(1));
  }
}

inline Ring Ring::open_or_create(const std::string& name, uint64_t capacity, uint32_t mode,
                                 RingMemory::Timeout timeout, const Owner& owner) {
  require_valid(capacity);
  const NamedRingMaker maker(name, static_cast<uint32_t>(capacity), mode);
  const auto deadline = deadline_after(timeout);
  int vanished = 0;
  for (;;) {
    try {
      return Ring(maker.create());
    } catch (const Error& error) {
      if (!detail::already_exists(error)) throw;
    }
    try {
      if (auto ring = detail::opened_if_made(name, owner)) return Ring(std::move(*ring));
      if (NamedRingMaker::remove_abandoned(name, owner)) continue;
    } catch (const Error& error) {
      // The name can vanish between two attempts; a few rounds settle that.
      if (!detail::not_found(error) || ++vanished == 8) throw;
      continue;
    }
    // Somebody is making it, and may die on the way.
    if (std::chrono::steady_clock::now() >= deadline) throw detail::not_made_in_time(name);
    std::this_thread::sleep_for(RingMemory::Timeout(1));
  }
}

}  // namespace sluice
