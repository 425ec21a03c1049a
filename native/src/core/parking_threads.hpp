// The threads that sleep on behalf of an environment's objects, so that its event loop need not.
//
// One thread sleeps for as many as the system can wait for at once: 127 with futex_waitv(2), 63 on
// Windows, one elsewhere. Threads exist only while there are objects that may need them.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/environment.hpp"
#include "core/mailbox.hpp"
#include "core/waitable.hpp"

namespace sluice::binding {

class ParkingThread;

class ParkingThreads {
 public:
  // A number of the caller's, by which the listener hears of the object.
  using Id = uint32_t;

  explicit ParkingThreads(Environment& environment);
  ParkingThreads(const ParkingThreads&) = delete;
  ParkingThreads& operator=(const ParkingThreads&) = delete;
  ~ParkingThreads();

  // `listener(ids)` is called on the loop with the objects to wake, which are no longer parked.
  void set_listener(Napi::Function listener);

  // Threads are kept from the first object that is opened to the last that is closed.
  void opened() { ++open_; }
  void closed();

  // Sleeps for an object that has announced its sleep and got this ticket. Throws when a thread is
  // needed and cannot be had; then the caller has to retract the announcement.
  void park(Id id, std::shared_ptr<Waitable> waitable, uint32_t ticket);

  // When this returns, no thread looks at the object. It may still be reported as woken.
  void unpark(Id id);

  // Something waits that may keep the process alive, although no thread sleeps for it yet.
  void expect_listener() { woken_.open(); }

  // Whether what waits keeps the process alive.
  void set_ref(bool ref) { woken_.set_ref(ref); }

 private:
  friend class ParkingThread;

  void deliver(Napi::Env env, const std::vector<Id>& ids);
  // Ends all threads for good.
  void shut_down();

  Napi::FunctionReference listener_;
  Mailbox<Id> woken_;
  bool shut_down_ = false;
  size_t open_ = 0;
  std::vector<std::unique_ptr<ParkingThread>> threads_;
};

}  // namespace sluice::binding
