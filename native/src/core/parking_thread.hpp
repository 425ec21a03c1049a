// One of the threads of parking_threads.hpp.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/parking_threads.hpp"
#include "core/waitable.hpp"
#include "sluice/detail/doorbell.hpp"

namespace sluice::binding {

class ParkingThread {
 public:
  using Id = ParkingThreads::Id;

  explicit ParkingThread(ParkingThreads& owner);
  ParkingThread(const ParkingThread&) = delete;
  ParkingThread& operator=(const ParkingThread&) = delete;
  ~ParkingThread();  // ends and joins

  // False when it already sleeps for as many as it can.
  bool try_park(Id id, const std::shared_ptr<Waitable>& waitable, uint32_t ticket);
  // False when it does not sleep for this one.
  bool unpark(Id id);

 private:
  using Clock = std::chrono::steady_clock;

  struct Sleeper {
    Id id;
    std::shared_ptr<Waitable> waitable;
    uint32_t ticket;
    Clock::duration patience;         // the time from one question about the holders to the next
    Clock::time_point next_question;  // asked at the first tick after it
  };

  void run();
  // Looks at those whose doorbell rang, and at each tick at all; takes out and returns who wakes.
  std::vector<Id> collect_woken();
  static bool has_to_wake(Sleeper& sleeper, bool rung, Clock::time_point now);
  // Sleeps until a doorbell or the control rings, or the next tick.
  void sleep(uint32_t control_ticket);
  void interrupt(const Sleeper* sleeper);

  static size_t capacity();

  ParkingThreads& owner_;
  std::atomic<uint32_t> control_word_{0};
  Doorbell control_{control_word_};

  std::mutex mutex_;  // guards what follows; never held while sleeping
  std::vector<Sleeper> sleepers_;
  Clock::time_point next_tick_;  // counts while there are sleepers
  bool ending_ = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sluice::binding
