// The two roles of a ring, producer and consumer, as locks on bytes of its header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "sluice/detail/byte_lock.hpp"
#include "sluice/ring_format.hpp"
#include "sluice/shared_memory.hpp"

namespace sluice {

enum class Role { kProducer, kConsumer };

constexpr Role peer_of(Role role) {
  return role == Role::kProducer ? Role::kConsumer : Role::kProducer;
}

constexpr const char* name_of(Role role) {
  return role == Role::kProducer ? "producer" : "consumer";
}

class RoleLock {
 public:
  // Empty when someone else, in this process or another, holds the role.
  static std::optional<RoleLock> try_acquire(const SharedMemory& memory, Role role) {
    const char* what = role == Role::kProducer ? "the producer's role of the ring"
                                               : "the consumer's role of the ring";
    auto lock = ByteLock::try_acquire(memory, byte_of(role), what);
    if (!lock) return std::nullopt;
    return RoleLock(std::move(*lock));
  }
  static bool is_held(const SharedMemory& memory, Role role) {
    return ByteLock::is_held(memory, byte_of(role));
  }

  // Whether anyone but this lock's own holder has the role.
  bool is_held_elsewhere(Role role) const { return lock_.is_held_elsewhere(byte_of(role)); }

  void release() { lock_.release(); }
  bool holds() const { return lock_.holds(); }

 private:
  explicit RoleLock(ByteLock lock) : lock_(std::move(lock)) {}

  // The first byte of the role's line in the header.
  static constexpr uint32_t byte_of(Role role) {
    return role == Role::kProducer ? offsetof(RingHeader, producer)
                                   : offsetof(RingHeader, consumer);
  }

  ByteLock lock_;
};

}  // namespace sluice
