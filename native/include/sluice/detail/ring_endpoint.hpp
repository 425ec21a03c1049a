// The common part of producer and consumer: taking a position over, the life of the peer, and
// sleeping until the peer has done something. ring_format.hpp says how sleeping and waking go
// together without a lost wake-up; test/model checks it exhaustively.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "sluice/detail/bell.hpp"
#include "sluice/detail/cpu_relax.hpp"
#include "sluice/detail/deadline.hpp"
#include "sluice/detail/failpoint.hpp"
#include "sluice/detail/life.hpp"
#include "sluice/detail/process_id.hpp"
#include "sluice/detail/remote_barrier.hpp"
#include "sluice/detail/ring_memory.hpp"
#include "sluice/detail/ring_records.hpp"
#include "sluice/detail/role.hpp"
#include "sluice/ring_format.hpp"

namespace sluice {

inline constexpr std::chrono::milliseconds kRecheckInterval{100};

// How often `wait` looks for the peer's doings before it sleeps, and how many pauses of the
// processor, of 4 to 60 ns each, lie before each look: twice as many as before the last. A peer
// that is awake answers sooner than the kernel could wake this thread. The pauses are worth their
// latency: each look takes the line away from the peer that writes it, so one after every message
// makes both crawl from line to line.
inline constexpr int kSpinLooks = 15;
inline constexpr int kFirstSpinPauses = 8;
inline constexpr int kMostSpinPauses = 128;

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
  uint32_t published = 0;      // how far the peer can see
  uint32_t peer_position = 0;  // a producer's validated copy of the head, perhaps old
  uint32_t messages = 0;
  uint32_t record = 0;          // position of the reserved or peeked record
  uint32_t length = kNoRecord;  // its payload's length
  int32_t type = 0;
  EndpointStatus status = EndpointStatus::kUsable;
  uint32_t corked = 0;     // how many corks are open
  uint32_t held_back = 0;  // the commit word that will publish what is corked; 0: nothing is
  uint32_t fenced = 0;     // 1: this side's process passes nobody's remote barriers

  static constexpr uint32_t kNoRecord = 0xffffffffu;
};
static_assert(sizeof(EndpointState) == 44);

// The things that an endpoint is given beside the memory: a claimed role and the doorbells in the
// header (ring_claim.hpp), or others by which its process and the peer's know of each other.
struct RingSurroundings {
  std::shared_ptr<const Bell> bell;  // wakes this side
  std::shared_ptr<const Bell> peer_bell;
  std::unique_ptr<Life> life;
};

class RingEndpoint {
 public:
  // The event that a sleeper wants to be woken for: a copy of all that `look` needs, so that
  // another thread can look on its behalf.
  struct Sleep {
    uint32_t ticket;
    uint32_t position;
    uint32_t wanted;                                 // bytes of room; for the consumer nothing
    std::optional<uint32_t> mourned = std::nullopt;  // the claim whose holder's death is known
  };

  // `state` must outlive the endpoint; by default it is the endpoint's own.
  RingEndpoint(RingMemory ring, Role role, RingSurroundings surroundings,
               EndpointState* state = nullptr);
  RingEndpoint(const RingEndpoint&) = delete;
  RingEndpoint& operator=(const RingEndpoint&) = delete;
  ~RingEndpoint() { abandon(); }

  const RingMemory& ring() const { return ring_; }
  const Bell& bell() const { return *bell_; }
  bool is_open() const { return life_->holds(); }

  // From here on the peer passes a fence with each of its publications, and this side passes no
  // remote barrier before it sleeps: for one that sleeps often. To be called right after the claim,
  // before the peer begins; see "Sleeping and waking" in ring_format.hpp.
  void ask_for_fences() {
    awake_.store(kFenceWanted, std::memory_order_relaxed);
    retract();
  }

  // Says that this side is about to sleep. Then `look`; then sleep, or `retract`.
  Sleep announce(uint32_t wanted);
  Sleep announce_again(const Sleep& sleep) const;  // for a thread that sleeps on its behalf
  void retract() {
    // relaxed: whoever still sees the announcement rings for nothing.
    own_parked().store(awake_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }

  // Whether there is something to wake up for. Safe from any thread while the endpoint is open.
  // Whether the peer is alive is a system call, which a sleeper that looks often can leave out.
  enum class Peer { kAskedFor, kTakenForAlive };
  WaitStatus look(const Sleep& sleep, Peer peer = Peer::kAskedFor) const {
    return look(sleep, peer, nullptr);
  }
  // The same for the thread of the endpoint, which may `mourn` then.
  WaitStatus look_here(const Sleep& sleep) { return look(sleep, Peer::kAskedFor, &found_dead_); }

  // The death that was found last is known: from here on it counts for nothing, so that one can
  // wait for a successor.
  void mourn() { mourned_ = found_dead_; }

  // Blocks the calling thread.
  WaitStatus wait(uint32_t wanted, std::chrono::nanoseconds timeout);

  // Takes back the peer's `parked` word and rings, if it is set.
  bool wake_peer();

  // Gives the role up: for good, or leaving it to a successor, which the peer sees as a death.
  void close();
  void abandon();

 protected:
  RingSide& own() const { return side(role_); }
  RingSide& peer() const { return side(peer_of(role_)); }
  std::atomic<uint32_t>& own_parked() const { return parked(role_); }
  std::atomic<uint32_t>& peer_parked() const { return parked(peer_of(role_)); }

  // The event that the peer wants to be woken for, 0 while it is awake. To be called after the
  // store that it may be waiting for: the waker's half of the protocol.
  uint32_t peer_wants() const;

  void require_usable() const;
  [[noreturn]] void fail_corrupt(const std::string& reason);

  RingMemory ring_;
  const Role role_;
  const RingRecords records_;

 private:
  RingSide& side(Role role) const {
    return role == Role::kProducer ? ring_.header().producer : ring_.header().consumer;
  }
  std::atomic<uint32_t>& parked(Role role) const {
    return role == Role::kProducer ? ring_.header().producer_parked.value
                                   : ring_.header().consumer_parked.value;
  }
  void take_position_over();
  uint32_t end_of_the_published(uint32_t tail);
  void require_stream_may_begin() const;
  bool spin(uint32_t wanted) const;
  void begin_or_resume_stream();
  bool available(const Sleep& sleep) const;
  WaitStatus look(const Sleep& sleep, Peer asked, uint32_t* found_dead) const;

  EndpointState own_state_;
  uint32_t found_dead_ = 0;  // the claim of the peer whose death was found last
  std::optional<uint32_t> mourned_;
  // Whether this side's process passes nobody's remote barriers. A copy of the state's: a thread
  // that sleeps on this endpoint's behalf reads it.
  const bool fenced_;
  // The own `parked` word while this side is awake: the wish for fences, or nothing. Atomic,
  // because a thread that sleeps on this endpoint's behalf may find that it has to wish. relaxed
  // everywhere.
  mutable std::atomic<uint32_t> awake_;
  std::shared_ptr<const Bell> bell_;
  std::shared_ptr<const Bell> peer_bell_;
  std::unique_ptr<Life> life_;

 protected:
  EndpointState& state_;
};

inline RingEndpoint::RingEndpoint(RingMemory ring, Role role, RingSurroundings surroundings,
                                  EndpointState* state)
    : ring_(std::move(ring)),
      role_(role),
      records_(ring_.data(), ring_.capacity()),
      fenced_(!detail::register_for_remote_barriers()),
      awake_(fenced_ ? kFenceWanted : 0),
      bell_(std::move(surroundings.bell)),
      peer_bell_(std::move(surroundings.peer_bell)),
      life_(std::move(surroundings.life)),
      state_(state != nullptr ? *state : own_state_) {
  state_ = EndpointState{};
  state_.fenced = fenced_ ? 1 : 0;
  take_position_over();
  state_.messages += own().messages.load(std::memory_order_relaxed);
  if (role == Role::kProducer) require_stream_may_begin();
  // Before the state, with release: pairs with the acquires in `look`.
  own().claims.fetch_add(1, std::memory_order_release);
  own().pid.store(process_id(), std::memory_order_relaxed);
  retract();  // a predecessor may have died asleep
  if (role == Role::kProducer) {
    // Takes in the records that a predecessor published and did not note.
    own().position.store(state_.position, std::memory_order_relaxed);
    detail::reached_failpoint(detail::Failpoint::kSuccessorTail);
    own().messages.store(state_.messages, std::memory_order_relaxed);
    begin_or_resume_stream();
  } else {
    // release: who sees the role open sees the pid.
    own().state.store(static_cast<uint32_t>(RoleState::kOpen), std::memory_order_release);
  }
}

// The own position is read from shared memory here and never again.
inline void RingEndpoint::take_position_over() {
  // acquire: pairs with the peer's stores; a consumer has finished reading what it gave back.
  const uint32_t tail = ring_.header().producer.position.load(std::memory_order_acquire);
  const uint32_t head = ring_.header().consumer.position.load(std::memory_order_acquire);
  const uint32_t most = ring_max_stored(records_.capacity());
  // The head may be ahead, for the tail is stored only after the publication. Neither can be
  // further from the other than the ring holds.
  bool fits = ((tail | head) & 7u) == 0 && (tail - head <= most || head - tail <= most);
  uint32_t position = head;
  if (fits && role_ == Role::kProducer) {
    position = end_of_the_published(tail);
    fits = position - head <= most;
  }
  if (!fits) fail_corrupt("the positions that were found do not fit each other");
  state_.position = state_.published = position;
  if (role_ == Role::kProducer) state_.peer_position = head;
}

// A dead producer may have published once more than its tail says.
inline uint32_t RingEndpoint::end_of_the_published(uint32_t tail) {
  uint32_t position = tail;
  for (;;) {
    const RingRecords::Found found = records_.find(position);
    if (found.kind == RingRecords::Kind::kNothing) return position;
    if (found.size == 0) fail_corrupt(RingRecords::complaint(found.kind));
    position += found.size;
    // A publication fits into the ring with the word behind it, so the walk cannot go round.
    if (position - tail > ring_max_stored(records_.capacity())) {
      fail_corrupt("the records behind the producer's position have no end");
    }
    if (found.kind == RingRecords::Kind::kRecord) ++state_.messages;
  }
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
  return announce_again(
      {.ticket = 0, .position = state_.position, .wanted = wanted, .mourned = mourned_});
}

inline RingEndpoint::Sleep RingEndpoint::announce_again(const Sleep& sleep) const {
  // The ticket first: a ring after this line makes the sleep return at once.
  const Sleep announced{.ticket = bell_->ticket(),
                        .position = sleep.position,
                        .wanted = sleep.wanted,
                        .mourned = sleep.mourned};
  // A producer asks to be woken when half the ring is free, not for every record that leaves:
  // fewer wake-ups, and no message waits for it. Less room than that is found by the recheck.
  const uint32_t bytes =
      role_ == Role::kConsumer ? 1 : std::max(sleep.wanted, records_.capacity() / 2);
  const uint32_t parked = bytes | awake_.load(std::memory_order_relaxed);
  // Still announced, and the barrier passed then: whoever takes it back from here on rings after
  // the ticket was read.
  if (own_parked().load(std::memory_order_relaxed) == parked) return announced;
  // seq_cst: the sleeper's store; pairs with the load in `peer_wants`.
  own_parked().store(parked, std::memory_order_seq_cst);
  const bool must_wish = (parked & kFenceWanted) != 0;
  if (must_wish || !detail::remote_barrier()) {
    if (!must_wish) {
      // Refused since the claim (a sandbox was closed): from now on the peer has to fence. A store
      // of just now, the recheck finds.
      awake_.store(kFenceWanted, std::memory_order_relaxed);
      own_parked().store(parked | kFenceWanted, std::memory_order_seq_cst);
    }
    // Between the store and the look; pairs with the fence in `peer_wants`.
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  return announced;
}

inline uint32_t RingEndpoint::peer_wants() const {
  if (fenced_) {
    // Between the store and the load; pairs with the peer's remote barrier or fence.
    std::atomic_thread_fence(std::memory_order_seq_cst);
  } else {
    // The processor may do the load before the store is visible, but the peer's remote barrier
    // comes between them then. Only the compiler must keep their order.
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  // acquire: a consumer reads the tail that was stored before.
  uint32_t parked = peer_parked().load(std::memory_order_acquire);
  if (parked == 0) return 0;
  if ((parked & kFenceWanted) != 0 && !fenced_) {
    // The peer has no remote barrier. Pairs with the fence in `announce_again`.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    parked = peer_parked().load(std::memory_order_acquire);
  }
  return parked & ~kFenceWanted;
}

inline bool RingEndpoint::available(const Sleep& sleep) const {
  // acquire, both: pairs with the release of the publication, and of the head. After `announce` it
  // is the sleeper's load.
  if (role_ == Role::kConsumer) {
    return records_.commit_at(sleep.position).load(std::memory_order_acquire) != 0;
  }
  const uint32_t head = peer().position.load(std::memory_order_acquire);
  // A head that cannot be makes `used` too large: awake, and let the endpoint find the corruption.
  const uint32_t used = sleep.position - head;
  return used > ring_max_stored(records_.capacity()) || records_.capacity() - used >= sleep.wanted;
}

inline WaitStatus RingEndpoint::look(const Sleep& sleep, Peer asked, uint32_t* found_dead) const {
  constexpr auto kClosed = static_cast<uint32_t>(RoleState::kClosed);
  if (available(sleep)) return WaitStatus::kReady;
  // acquire, in this order: see begin_or_resume_stream. A look that finds the role closed sees the
  // last record that was published before.
  const uint32_t claims = peer().claims.load(std::memory_order_acquire);
  const uint32_t streams = peer().streams.load(std::memory_order_acquire);
  const uint32_t state = peer().state.load(std::memory_order_acquire);
  if (state == static_cast<uint32_t>(RoleState::kNever)) return WaitStatus::kNothingYet;
  if (state == kClosed) {
    // The end of a stream that an earlier consumer has seen already is not news.
    if (role_ == Role::kConsumer && streams == own().streams.load(std::memory_order_relaxed)) {
      return WaitStatus::kNothingYet;
    }
  } else if (asked == Peer::kTakenForAlive || life_->peer_lives()) {
    return WaitStatus::kNothingYet;
  }
  // The peer is gone. Its last stores before it went are visible now, so look once more: it may
  // even have closed in the meantime, or a successor may have come whose state this is.
  if (available(sleep)) return WaitStatus::kReady;
  const uint32_t last_state = peer().state.load(std::memory_order_acquire);
  if (peer().claims.load(std::memory_order_acquire) != claims) return WaitStatus::kNothingYet;
  // A successor that had counted its claim before the first look, and opened after it.
  if (state == kClosed && last_state != kClosed) return WaitStatus::kNothingYet;
  if (last_state == kClosed) return WaitStatus::kPeerClosed;
  if (sleep.mourned == claims) return WaitStatus::kNothingYet;
  if (found_dead != nullptr) *found_dead = claims;
  return WaitStatus::kPeerDied;
}

// A producer hopes for an eighth of the ring: it would have to look again after each record.
inline bool RingEndpoint::spin(uint32_t wanted) const {
  const Sleep hope{
      .ticket = 0,
      .position = state_.position,
      .wanted = role_ == Role::kConsumer ? 0 : std::max(wanted, records_.capacity() / 8)};
  int pauses = kFirstSpinPauses;
  for (int look = 0; look < kSpinLooks; ++look) {
    for (int pause = 0; pause < pauses; ++pause) cpu_relax();
    if (available(hope)) return true;
    pauses = std::min(2 * pauses, kMostSpinPauses);
  }
  return false;
}

inline WaitStatus RingEndpoint::wait(uint32_t wanted, std::chrono::nanoseconds timeout) {
  if (timeout <= timeout.zero()) {
    // Nobody is going to sleep, so there is nothing to announce.
    return look_here(
        {.ticket = 0, .position = state_.position, .wanted = wanted, .mourned = mourned_});
  }
  if (spin(wanted)) return WaitStatus::kReady;
  const auto deadline = deadline_after(timeout);
  for (Sleep sleep = announce(wanted);; sleep = announce_again(sleep)) {
    const WaitStatus status = look_here(sleep);
    const auto left = deadline - std::chrono::steady_clock::now();
    if (status != WaitStatus::kNothingYet || left <= left.zero()) {
      retract();
      return status;
    }
    bell_->wait(sleep.ticket, std::min<std::chrono::nanoseconds>(left, kRecheckInterval));
  }
}

inline bool RingEndpoint::wake_peer() {
  // seq_cst: of several wakers exactly one takes the announcement back and rings. The bit stays: it
  // says what the peer is, not what it does.
  const uint32_t parked = peer_parked().fetch_and(kFenceWanted, std::memory_order_seq_cst);
  detail::reached_failpoint(detail::Failpoint::kUnparked);
  if ((parked & ~kFenceWanted) == 0) return false;
  peer_bell_->ring();
  return true;
}

inline void RingEndpoint::close() {
  if (!life_->holds()) return;
  // A stream that broke off must not look like one that ended.
  if (state_.status == EndpointStatus::kCorrupt) return abandon();
  // release: pairs with the acquire in `look`.
  own().state.store(static_cast<uint32_t>(RoleState::kClosed), std::memory_order_release);
  abandon();
}

inline void RingEndpoint::abandon() {
  if (!life_->holds()) return;
  life_->release();
  state_.status = EndpointStatus::kClosed;
  peer_bell_->ring();  // a peer that sleeps learns of it now
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
