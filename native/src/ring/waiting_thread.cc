#include "ring/waiting_thread.hpp"

#include <algorithm>
#include <utility>

namespace sluice::binding {

// One place of wait_any is the control's. Where only one doorbell can be waited for, it is the
// sleeper's, and the control counts only while there is none.
size_t WaitingThread::capacity() {
  return std::max<size_t>(Doorbell::max_wait_any() - 1, 1);
}

WaitingThread::WaitingThread(WaitingThreads& owner) : owner_(owner), thread_([this] { run(); }) {}

WaitingThread::~WaitingThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    interrupt(sleepers_.empty() ? nullptr : &sleepers_.front());
  }
  thread_.join();
}

bool WaitingThread::try_arm(Id id, const std::shared_ptr<RingEndpoint>& endpoint,
                            const RingEndpoint::Sleep& sleep) {
  const std::lock_guard lock(mutex_);
  if (sleepers_.size() >= capacity()) return false;
  sleepers_.push_back({id, endpoint, sleep, Clock::now() + kRecheckInterval});
  control_.ring();
  return true;
}

bool WaitingThread::disarm(Id id) {
  // The thread looks at endpoints only with the mutex: from here on it does not touch this one.
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(sleepers_.begin(), sleepers_.end(),
                                  [id](const Sleeper& sleeper) { return sleeper.id == id; });
  if (found == sleepers_.end()) return false;
  interrupt(&*found);
  sleepers_.erase(found);
  return true;
}

void WaitingThread::interrupt(const Sleeper* sleeper) {
  control_.ring();
  // Where it cannot wait for the control too, its own doorbell is rung: nobody else waits on it.
  if (Doorbell::max_wait_any() == 1 && sleeper != nullptr) sleeper->endpoint->doorbell().ring();
}

void WaitingThread::run() {
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

std::vector<WaitingThread::Id> WaitingThread::collect_woken() {
  std::vector<Id> woken;
  const auto now = Clock::now();
  std::erase_if(sleepers_, [&](Sleeper& sleeper) {
    RingEndpoint& endpoint = *sleeper.endpoint;
    if (endpoint.doorbell().ticket() == sleeper.sleep.ticket && now < sleeper.recheck) return false;
    sleeper.recheck = now + kRecheckInterval;
    if (endpoint.look(sleeper.sleep) == WaitStatus::kNothingYet) {
      // Who rang has taken the announcement back: it is made again before the next look.
      sleeper.sleep = endpoint.announce_again(sleeper.sleep);
      if (endpoint.look(sleeper.sleep) == WaitStatus::kNothingYet) return false;
    }
    endpoint.retract();
    woken.push_back(sleeper.id);
    return true;
  });
  return woken;
}

void WaitingThread::sleep(uint32_t control_ticket) {
  std::vector<Doorbell::Waiting> waiting;
  // They and their memory stay while their doorbells are waited for, even when they are closed.
  std::vector<std::shared_ptr<RingEndpoint>> kept;
  Clock::time_point wake = Clock::now() + std::chrono::hours(1);
  {
    const std::lock_guard lock(mutex_);
    for (const Sleeper& sleeper : sleepers_) {
      waiting.push_back({&sleeper.endpoint->doorbell(), sleeper.sleep.ticket});
      kept.push_back(sleeper.endpoint);
      wake = std::min(wake, sleeper.recheck);
    }
  }
  if (waiting.empty() || Doorbell::max_wait_any() > 1)
    waiting.push_back({&control_, control_ticket});
  const auto timeout = std::max(wake - Clock::now(), Clock::duration::zero());
  Doorbell::wait_any(waiting, timeout);
}

}  // namespace sluice::binding
