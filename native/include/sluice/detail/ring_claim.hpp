// A role of a ring, claimed: the lock that says who lives, and the doorbells in its header.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "sluice/detail/doorbell.hpp"
#include "sluice/detail/life.hpp"
#include "sluice/detail/ring_endpoint.hpp"
#include "sluice/detail/ring_memory.hpp"
#include "sluice/detail/role.hpp"

namespace sluice {

class RoleLife final : public Life {
 public:
  RoleLife(RoleLock lock, Role role) : lock_(std::move(lock)), role_(role) {}

  bool holds() const override { return lock_.holds(); }
  void release() override { lock_.release(); }
  bool peer_lives() const override { return lock_.is_held_elsewhere(peer_of(role_)); }

 private:
  RoleLock lock_;
  Role role_;
};

struct RingClaim {
  std::shared_ptr<const Doorbell> doorbell;
  std::shared_ptr<const Doorbell> peer_doorbell;
  std::unique_ptr<Life> life;

  RingSurroundings surroundings() && {
    return {std::move(doorbell), std::move(peer_doorbell), std::move(life)};
  }
};

inline std::shared_ptr<const Doorbell> doorbell_of(const RingMemory& ring, Role role) {
  RingHeader& header = ring.header();
  auto& word = role == Role::kProducer ? header.producer_doorbell : header.consumer_doorbell;
  return std::make_shared<const Doorbell>(word.value, ring.memory(), name_of(role));
}

// Throws ERR_SLUICE_ROLE_TAKEN when a living process has the role.
inline RingClaim claim_role(const RingMemory& ring, Role role) {
  auto lock = RoleLock::try_acquire(ring.memory(), role);
  if (!lock) {
    const RingHeader& header = ring.header();
    const RingSide& side = role == Role::kProducer ? header.producer : header.consumer;
    const uint32_t pid = side.pid.load(std::memory_order_relaxed);
    throw Error::role_taken(
        std::string("the ring already has a ") + name_of(role) + ", process " + std::to_string(pid),
        pid);
  }
  return {doorbell_of(ring, role), doorbell_of(ring, peer_of(role)),
          std::make_unique<RoleLife>(std::move(*lock), role)};
}

}  // namespace sluice
