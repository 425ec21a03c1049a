#include "core/parking_thread.hpp"

#include <algorithm>
#include <utility>

#include "core/start_thread.hpp"

namespace sluice::binding {
namespace {

// A waker that was killed between its work and its ring leaves sleepers that nobody wakes, so all
// of a thread are looked at in each tick. That is memory only, and one wake-up for all of them.
constexpr auto kTick = std::chrono::milliseconds(100);

// To ask whether a holder still lives is a system call for each sleeper. A sleeper that has just
// begun to wait asks soon, in case the other died on the way; one that has waited for long asks
// seldom.
constexpr auto kShortestPatience = std::chrono::milliseconds(100);
constexpr auto kLongestPatience = std::chrono::milliseconds(1000);

}  // namespace

// One place of wait_any is the control's. Where only one doorbell can be waited for, it is the
// sleeper's, and the control counts only while there is none.
size_t ParkingThread::capacity() {
  return std::max<size_t>(Doorbell::max_wait_any() - 1, 1);
}

ParkingThread::ParkingThread(ParkingThreads& owner)
    : owner_(owner), thread_(start_thread([this] { run(); })) {}

ParkingThread::~ParkingThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    interrupt(sleepers_.empty() ? nullptr : &sleepers_.front());
  }
  thread_.join();
}

bool ParkingThread::try_park(Id id, const std::shared_ptr<Waitable>& waitable, uint32_t ticket) {
  const std::lock_guard lock(mutex_);
  if (sleepers_.size() >= capacity()) return false;
  const auto now = Clock::now();
  if (sleepers_.empty()) next_tick_ = now + kTick;
  sleepers_.push_back({id, waitable, ticket, kShortestPatience, now + kShortestPatience});
  control_.ring();
  return true;
}

bool ParkingThread::unpark(Id id) {
  // The thread looks at sleepers only with the mutex: from here on it does not touch this one.
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(sleepers_.begin(), sleepers_.end(),
                                  [id](const Sleeper& sleeper) { return sleeper.id == id; });
  if (found == sleepers_.end()) return false;
  interrupt(&*found);
  sleepers_.erase(found);
  return true;
}

void ParkingThread::interrupt(const Sleeper* sleeper) {
  control_.ring();
  // Where it cannot wait for the control too, its own doorbell is rung: nobody else waits on it.
  if (Doorbell::max_wait_any() == 1 && sleeper != nullptr) sleeper->waitable->doorbell().ring();
}

void ParkingThread::run() {
  for (;;) {
    // Before the look: what changes after it moves the control on.
    const uint32_t control_ticket = control_.ticket();
    std::vector<Id> woken;
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      woken = collect_woken();
    }
    if (!woken.empty()) owner_.woken_.post(woken);
    sleep(control_ticket);
  }
}

std::vector<ParkingThread::Id> ParkingThread::collect_woken() {
  std::vector<Id> woken;
  const auto now = Clock::now();
  const bool tick = now >= next_tick_;
  if (tick) next_tick_ = now + kTick;
  std::erase_if(sleepers_, [&](Sleeper& sleeper) {
    const bool rung = sleeper.waitable->doorbell().ticket() != sleeper.ticket;
    if ((!rung && !tick) || !has_to_wake(sleeper, rung, now)) return false;
    sleeper.waitable->retract();
    woken.push_back(sleeper.id);
    return true;
  });
  return woken;
}

bool ParkingThread::has_to_wake(Sleeper& sleeper, bool rung, Clock::time_point now) {
  if (sleeper.waitable->is_ready(Waitable::Look::kAtMemory)) return true;
  // A ringer has taken the announcement back, and so may one who was killed before it rang. It is
  // made again before the next look.
  sleeper.ticket = sleeper.waitable->announce();
  // A ring that brought nothing may be the last act of a holder that has gone.
  const bool ask = rung || now >= sleeper.next_question;
  if (!ask) return sleeper.waitable->is_ready(Waitable::Look::kAtMemory);
  const Clock::duration longer = std::min<Clock::duration>(sleeper.patience * 2, kLongestPatience);
  sleeper.patience = rung ? Clock::duration(kShortestPatience) : longer;
  sleeper.next_question = now + sleeper.patience;
  return sleeper.waitable->is_ready(Waitable::Look::kAtHoldersToo);
}

void ParkingThread::sleep(uint32_t control_ticket) {
  std::vector<Doorbell::Waiting> waiting;
  // They and their memory stay while their doorbells are waited for, even when they are closed.
  std::vector<std::shared_ptr<Waitable>> kept;
  Clock::time_point wake = Clock::now() + std::chrono::hours(1);
  {
    const std::lock_guard lock(mutex_);
    for (const Sleeper& sleeper : sleepers_) {
      waiting.push_back({&sleeper.waitable->doorbell(), sleeper.ticket});
      kept.push_back(sleeper.waitable);
    }
    if (!sleepers_.empty()) wake = next_tick_;
  }
  if (waiting.empty() || Doorbell::max_wait_any() > 1)
    waiting.push_back({&control_, control_ticket});
  const auto timeout = std::max(wake - Clock::now(), Clock::duration::zero());
  Doorbell::wait_any(waiting, timeout);
}

}  // namespace sluice::binding
