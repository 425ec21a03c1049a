// One of the threads of waiting_threads.hpp.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "ring/waiting_threads.hpp"
#include "sluice/detail/doorbell.hpp"
#include "sluice/detail/ring_endpoint.hpp"

namespace sluice::binding {

class WaitingThread {
 public:
  using Id = WaitingThreads::Id;

  explicit WaitingThread(WaitingThreads& owner);
  WaitingThread(const WaitingThread&) = delete;
  WaitingThread& operator=(const WaitingThread&) = delete;
  ~WaitingThread();  // ends and joins

  // False when it already sleeps for as many as it can.
  bool try_arm(Id id, const std::shared_ptr<RingEndpoint>& endpoint,
               const RingEndpoint::Sleep& sleep);
  // False when it does not sleep for this one.
  bool disarm(Id id);

 private:
  using Clock = std::chrono::steady_clock;

  struct Sleeper {
    Id id;
    std::shared_ptr<RingEndpoint> endpoint;
    RingEndpoint::Sleep sleep;
    Clock::time_point recheck;
  };

  void run();
  // Looks where a doorbell rang or a recheck is due; takes out and returns who has to wake.
  std::vector<Id> collect_woken();
  // Sleeps until a doorbell or the control rings, or the next recheck.
  void sleep(uint32_t control_ticket);
  void interrupt(const Sleeper* sleeper);

  static size_t capacity();

  WaitingThreads& owner_;
  std::atomic<uint32_t> control_word_{0};
  Doorbell control_{control_word_};

  std::mutex mutex_;  // guards what follows; never held while sleeping
  std::vector<Sleeper> sleepers_;
  bool ending_ = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sluice::binding
