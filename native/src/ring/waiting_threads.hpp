// The threads that sleep on behalf of an environment's endpoints, so that its event loop need not.
//
// One thread sleeps for as many endpoints as the kernel can wait for at once (127 with
// futex_waitv(2), one without). A thread exists only while endpoints are open.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "core/environment.hpp"
#include "core/mailbox.hpp"
#include "sluice/detail/ring_endpoint.hpp"

namespace sluice::binding {

class WaitingThread;

class WaitingThreads {
 public:
  using Id = uint32_t;

  explicit WaitingThreads(Environment& environment);
  WaitingThreads(const WaitingThreads&) = delete;
  WaitingThreads& operator=(const WaitingThreads&) = delete;
  ~WaitingThreads();

  // `listener(ids)` is called on the loop with the endpoints to wake, which are no longer armed.
  void set_listener(Napi::Function listener);

  // Threads are kept from the first endpoint that is opened to the last that is closed.
  void endpoint_opened() { ++endpoints_; }
  void endpoint_closed();

  // Sleeps for an endpoint that has announced its sleep. It must stay open until it is disarmed.
  void arm(Id id, std::shared_ptr<RingEndpoint> endpoint, const RingEndpoint::Sleep& sleep);

  // When this returns, no thread touches the endpoint. It may still be reported as woken.
  void disarm(Id id);

  // Whether a sleeping endpoint keeps the process alive.
  void set_ref(bool ref) { woken_.set_ref(ref); }

  // Ends all threads for good.
  void shut_down();

 private:
  friend class WaitingThread;

  void deliver(Napi::Env env, const std::vector<Id>& ids);
  void stop_threads();

  Napi::FunctionReference listener_;
  Mailbox<Id> woken_;
  bool shut_down_ = false;
  size_t endpoints_ = 0;
  std::vector<std::unique_ptr<WaitingThread>> threads_;
};

}  // namespace sluice::binding
