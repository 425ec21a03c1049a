// What producer and consumer have in common: the claim to a role, the life of the peer, and
// sleeping until the peer has done something.
//
// Sleep and wake, without a lost wake-up (checked exhaustively in test/model/sleep_wake.pml):
//   sleeper: store own `parked`, then load the peer's position; sleep only if nothing came
//   waker:   store own position, then load the peer's `parked`; if set, take it back and ring
// All four are seq_cst: of two threads that each store and then load the other's word, at least
// one sees the other's store. Whatever goes wrong beside (a peer killed between its store and its
// ring), a sleeper looks again after kRecheckInterval.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "sluice/detail/cpu_relax.hpp"
#include "sluice/detail/deadline.hpp"
#include "sluice/detail/doorbell.hpp"
#include "sluice/detail/process_id.hpp"
#include "sluice/detail/ring_memory.hpp"
#include "sluice/detail/role.hpp"
#include "sluice/ring_format.hpp"

namespace sluice {

inline constexpr std::chrono::milliseconds kRecheckInterval{100};

// How often `wait` looks for the peer's doings before it sleeps, and how many pauses of the
// processor, of 10 to 50 ns each, lie before each look. A peer that is awake answers sooner than
// the kernel could wake this thread. The pauses are worth their latency: each look takes the line
// away from the peer that writes it, so one after every message makes both crawl from line to line.
inline constexpr int kSpinLooks = 24;
inline constexpr int kSpinPauses = 64;

enum class WaitStatus : uint32_t {
  kReady = 0,       // a message, or the room that was asked for
  kNothingYet = 1,  // in time-outs
  kPeerClosed = 2,  // and nothing is left to read, or no room
  kPeerDied = 3,    // likewise
};

enum class EndpointStatus : uint32_t {
  kUsable = 0,
  kClosed = 1,
  kCorrupt = 2,
  kEnded = 3,  // a consumer that has seen the end of the stream
};

// The private state of an endpoint. It may lie in memory that the JavaScript side reads and writes
// too (lib/ring/layout.ts names the same words), never in shared memory.
struct EndpointState {
  uint32_t position = 0;       // where the next record begins
  uint32_t published = 0;      // the position that the peer knows of
  uint32_t peer_position = 0;  // a validated copy, perhaps old
  uint32_t messages = 0;
  uint32_t record = 0;          // position of the reserved or peeked record
  uint32_t length = kNoRecord;  // its payload's length
  int32_t type = 0;
  EndpointStatus status = EndpointStatus::kUsable;
  uint32_t corked = 0;

  static constexpr uint32_t kNoRecord = 0xffffffffu;
};
static_assert(sizeof(EndpointState) == 36);

class RingEndpoint {
 public:
  // What a sleeper wants to be woken for. A copy of all that `look` needs, so that another thread
  // can look on its behalf.
  struct Sleep {
    uint32_t ticket;
    uint32_t position;
    uint32_t wanted;  // bytes of room; for the consumer nothing
  };

  // Claims the role. `state` must outlive the endpoint; by default it is the endpoint's own.
  RingEndpoint(RingMemory ring, Role role, EndpointState* state = nullptr);
  RingEndpoint(const RingEndpoint&) = delete;
  RingEndpoint& operator=(const RingEndpoint&) = delete;
  ~RingEndpoint() { abandon(); }

  const RingMemory& ring() const { return ring_; }
  const Doorbell& doorbell() const { return doorbell_; }
  bool is_open() const { return lock_.holds(); }

  // Says that this side is about to sleep. Then `look`; then sleep, or `retract`.
  Sleep announce(uint32_t wanted);
  Sleep announce_again(const Sleep& sleep) const;  // for a thread that sleeps on its behalf
  void retract() { own_parked().store(0, std::memory_order_seq_cst); }

  // Whether there is something to wake up for. Safe from any thread while the endpoint is open.
  // Whether the peer is alive is a system call, which a sleeper that looks often can leave out.
  enum class Peer { kAskedFor, kTakenForAlive };
  WaitStatus look(const Sleep& sleep, Peer peer = Peer::kAskedFor) const;

  // Blocks the calling thread.
  WaitStatus wait(uint32_t wanted, std::chrono::nanoseconds timeout);

  // Takes back the peer's `parked` word and rings, if it is set.
  void wake_peer();

  // Gives the role up: for good, or leaving it to a successor, which the peer sees as a death.
  void close();
  void abandon();

 protected:
  RingSide& own() const { return side(role_); }
  RingSide& peer() const { return side(peer_of(role_)); }
  std::atomic<uint32_t>& own_parked() const { return parked(role_); }
  std::atomic<uint32_t>& peer_parked() const { return parked(peer_of(role_)); }

  void require_usable() const;
  [[noreturn]] void fail_corrupt(const std::string& reason);

  RingMemory ring_;
  const Role role_;
  std::byte* const data_;
  const uint32_t capacity_;
  const uint32_t mask_;

 private:
  RingSide& side(Role role) const {
    return role == Role::kProducer ? ring_.header().producer : ring_.header().consumer;
  }
  std::atomic<uint32_t>& parked(Role role) const {
    return role == Role::kProducer ? ring_.header().producer_parked.value
                                   : ring_.header().consumer_parked.value;
  }
  Doorbell doorbell_of(Role role) const {
    return role == Role::kProducer
               ? Doorbell(ring_.header().producer_doorbell.value, ring_.memory(), "producer")
               : Doorbell(ring_.header().consumer_doorbell.value, ring_.memory(), "consumer");
  }
  static RoleLock claim(const RingMemory& ring, Role role);
  void require_stream_may_begin() const;
  bool spin(uint32_t wanted) const;
  void begin_or_resume_stream();
  bool available(const Sleep& sleep) const;

  EndpointState own_state_;
  RoleLock lock_;
  Doorbell doorbell_;
  Doorbell peer_doorbell_;

 protected:
  EndpointState& state_;
};

inline RingEndpoint::RingEndpoint(RingMemory ring, Role role, EndpointState* state)
    : ring_(std::move(ring)),
      role_(role),
      data_(ring_.data()),
      capacity_(ring_.capacity()),
      mask_(capacity_ - 1),
      lock_(claim(ring_, role)),
      doorbell_(doorbell_of(role)),
      peer_doorbell_(doorbell_of(peer_of(role))),
      state_(state != nullptr ? *state : own_state_) {
  state_ = EndpointState{};
  // The own position is read from shared memory here and never again.
  const uint32_t position = own().position.load(std::memory_order_acquire);
  const uint32_t peer_position = peer().position.load(std::memory_order_acquire);
  const uint32_t stored =
      role == Role::kProducer ? position - peer_position : peer_position - position;
  if (stored > capacity_ || ((position | peer_position) & 7u) != 0) {
    fail_corrupt("the positions that were found do not fit each other");
  }
  state_.position = state_.published = position;
  state_.peer_position = peer_position;
  state_.messages = own().messages.load(std::memory_order_relaxed);
  if (role == Role::kProducer) require_stream_may_begin();
  // Before the state, with release: pairs with the acquires in `look`.
  own().claims.fetch_add(1, std::memory_order_release);
  own().pid.store(process_id(), std::memory_order_relaxed);
  retract();  // a predecessor may have died asleep
  if (role == Role::kProducer) {
    begin_or_resume_stream();
  } else {
    // release: who sees the role open sees the pid.
    own().state.store(static_cast<uint32_t>(RoleState::kOpen), std::memory_order_release);
  }
}

inline RoleLock RingEndpoint::claim(const RingMemory& ring, Role role) {
  if (auto lock = RoleLock::try_acquire(ring.memory(), role)) return std::move(*lock);
  const RingHeader& header = ring.header();
  const RingSide& side = role == Role::kProducer ? header.producer : header.consumer;
  const uint32_t pid = side.pid.load(std::memory_order_relaxed);
  throw Error::role_taken(
      std::string("the ring already has a ") + name_of(role) + ", process " + std::to_string(pid),
      pid);
}

// A producer that was closed has ended its stream, and the end must not be lost: the next producer
// begins a new stream only when a consumer has seen the end of the last. A producer that died, or
// gave the role up, leaves its stream to the next one.
inline void RingEndpoint::require_stream_may_begin() const {
  constexpr auto kClosed = static_cast<uint32_t>(RoleState::kClosed);
  // acquire: pairs with the release in `RingConsumer::finish`.
  if (own().streams.load(std::memory_order_relaxed) !=
          peer().streams.load(std::memory_order_acquire) &&
      own().state.load(std::memory_order_relaxed) == kClosed) {
    throw Error(error_code::kStreamEnded,
                "the last producer of the ring ended its stream, and no consumer has read it to "
                "the end yet; let one do so, or remove the ring");
  }
}

inline void RingEndpoint::begin_or_resume_stream() {
  const uint32_t begun = own().streams.load(std::memory_order_relaxed);
  // acquire: pairs with the release in `RingConsumer::finish`.
  const bool all_seen = begun == peer().streams.load(std::memory_order_acquire);
  // The state before the count: `look` loads them the other way round, and must never see the new
  // stream together with the old state. release: pairs with the acquires there.
  own().state.store(static_cast<uint32_t>(RoleState::kOpen), std::memory_order_release);
  if (all_seen) own().streams.store(begun + 1, std::memory_order_release);
}

inline RingEndpoint::Sleep RingEndpoint::announce(uint32_t wanted) {
  return announce_again({.ticket = 0, .position = state_.position, .wanted = wanted});
}

inline RingEndpoint::Sleep RingEndpoint::announce_again(const Sleep& sleep) const {
  // The ticket first: a ring after this line makes the sleep return at once.
  const uint32_t ticket = doorbell_.ticket();
  // A producer asks to be woken when half the ring is free, not for every record that leaves:
  // fewer wake-ups, and no message waits for it. Less room than that is found by the recheck.
  const uint32_t parked = role_ == Role::kConsumer ? 1 : std::max(sleep.wanted, capacity_ / 2);
  // seq_cst: the sleeper's store; pairs with the loads in `publish`.
  own_parked().store(parked, std::memory_order_seq_cst);
  return {.ticket = ticket, .position = sleep.position, .wanted = sleep.wanted};
}

inline bool RingEndpoint::available(const Sleep& sleep) const {
  // seq_cst: the sleeper's load; pairs with the store of the position in `publish`.
  const uint32_t position = peer().position.load(std::memory_order_seq_cst);
  if (role_ == Role::kConsumer) return position != sleep.position;
  // A head beyond the tail makes `used` huge: awake, and let the endpoint find the corruption.
  const uint32_t used = sleep.position - position;
  return used > capacity_ || capacity_ - used >= sleep.wanted;
}

inline WaitStatus RingEndpoint::look(const Sleep& sleep, Peer asked) const {
  constexpr auto kClosed = static_cast<uint32_t>(RoleState::kClosed);
  if (available(sleep)) return WaitStatus::kReady;
  // acquire, in this order: see begin_or_resume_stream. Who sees the role closed sees the last
  // position that was published before.
  const uint32_t claims = peer().claims.load(std::memory_order_acquire);
  const uint32_t streams = peer().streams.load(std::memory_order_acquire);
  const uint32_t state = peer().state.load(std::memory_order_acquire);
  if (state == static_cast<uint32_t>(RoleState::kNever)) return WaitStatus::kNothingYet;
  if (state == kClosed) {
    // The end of a stream that an earlier consumer has seen already is not news.
    if (role_ == Role::kConsumer && streams == own().streams.load(std::memory_order_relaxed)) {
      return WaitStatus::kNothingYet;
    }
  } else if (asked == Peer::kTakenForAlive || lock_.is_held_elsewhere(peer_of(role_))) {
    return WaitStatus::kNothingYet;
  }
  // The peer is gone. What it did before it went is visible now, so look once more: it may even
  // have closed in the meantime, or a successor may have come whose state this is.
  if (available(sleep)) return WaitStatus::kReady;
  const uint32_t last_state = peer().state.load(std::memory_order_acquire);
  if (peer().claims.load(std::memory_order_acquire) != claims) return WaitStatus::kNothingYet;
  // A successor that had counted its claim before the first look, and opened after it.
  if (state == kClosed && last_state != kClosed) return WaitStatus::kNothingYet;
  return last_state == kClosed ? WaitStatus::kPeerClosed : WaitStatus::kPeerDied;
}

// A producer hopes for half the ring, as in `announce_again`.
inline bool RingEndpoint::spin(uint32_t wanted) const {
  const Sleep hope{.ticket = 0,
                   .position = state_.position,
                   .wanted = role_ == Role::kConsumer ? 0 : std::max(wanted, capacity_ / 2)};
  for (int look = 0; look < kSpinLooks; ++look) {
    for (int pause = 0; pause < kSpinPauses; ++pause) cpu_relax();
    if (available(hope)) return true;
  }
  return false;
}

inline WaitStatus RingEndpoint::wait(uint32_t wanted, std::chrono::nanoseconds timeout) {
  if (timeout > timeout.zero() && spin(wanted)) return WaitStatus::kReady;
  const auto deadline = deadline_after(timeout);
  for (;;) {
    const Sleep sleep = announce(wanted);
    const WaitStatus status = look(sleep);
    const auto left = deadline - std::chrono::steady_clock::now();
    if (status != WaitStatus::kNothingYet || left <= left.zero()) {
      retract();
      return status;
    }
    doorbell_.wait(sleep.ticket, std::min<std::chrono::nanoseconds>(left, kRecheckInterval));
  }
}

inline void RingEndpoint::wake_peer() {
  // seq_cst: of several wakers exactly one takes the word back and rings.
  if (peer_parked().exchange(0, std::memory_order_seq_cst) != 0) peer_doorbell_.ring();
}

inline void RingEndpoint::close() {
  if (!lock_.holds()) return;
  // A stream that broke off must not look like one that ended.
  if (state_.status == EndpointStatus::kCorrupt) return abandon();
  // release: pairs with the acquire in `look`.
  own().state.store(static_cast<uint32_t>(RoleState::kClosed), std::memory_order_release);
  abandon();
}

inline void RingEndpoint::abandon() {
  if (!lock_.holds()) return;
  lock_.release();
  state_.status = EndpointStatus::kClosed;
  peer_doorbell_.ring();  // a peer that sleeps learns of it now
}

inline void RingEndpoint::require_usable() const {
  if (state_.status == EndpointStatus::kUsable || state_.status == EndpointStatus::kEnded) return;
  if (state_.status == EndpointStatus::kCorrupt) {
    throw Error(error_code::kCorrupt, "the ring is corrupt; this end of it can only be closed");
  }
  throw Error(error_code::kClosed, std::string("the ") + name_of(role_) + " is closed");
}

inline void RingEndpoint::fail_corrupt(const std::string& reason) {
  state_.status = EndpointStatus::kCorrupt;
  throw Error(error_code::kCorrupt, std::string("the ring's memory is corrupt, as the ") +
                                        name_of(role_) + " sees it: " + reason);
}

}  // namespace sluice
