// Something that a thread can sleep for on behalf of the event loop: a ring's endpoint, a lock.
//
// A sleep follows the protocol that every sleeper on shared memory needs: announce, look, sleep on
// the doorbell with the announcement's ticket. A waker does its work, takes the announcement back
// and rings. While it is parked (parking_threads.hpp) its functions are called by one thread at a
// time, which is not the event loop's.
#pragma once

#include <cstdint>

#include "sluice/detail/doorbell.hpp"

namespace sluice::binding {

class Waitable {
 public:
  // The places to look at for a reason to wake up.
  enum class Look {
    kAtMemory,      // costs no system call
    kAtHoldersToo,  // and asks the system whether those who should ring are still alive
  };

  Waitable() = default;
  Waitable(const Waitable&) = delete;
  Waitable& operator=(const Waitable&) = delete;
  virtual ~Waitable() = default;

  // The word to sleep on, or the event; always the same one.
  virtual const Doorbell& doorbell() const = 0;

  // Tells the others that somebody sleeps here. Returns the doorbell's ticket of before: a ring
  // after that ends the sleep at once.
  virtual uint32_t announce() = 0;
  virtual void retract() = 0;

  virtual bool is_ready(Look look) const = 0;
};

}  // namespace sluice::binding
