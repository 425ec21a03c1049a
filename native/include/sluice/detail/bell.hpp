// How one side of a ring wakes the other. A Doorbell (a word in shared memory) is one; what else
// two processes share, a connection for instance, can be another.
//
// A bell counts its rings. A sleeper takes the count (`ticket`) before it announces that it will
// sleep, and `wait` returns at once if it has changed since. Every return may be spurious.
#pragma once

#include <chrono>
#include <cstdint>

namespace sluice {

class Bell {
 public:
  using Timeout = std::chrono::nanoseconds;

  Bell() = default;
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  virtual ~Bell() = default;

  // A thread that sees the new count sees all that the ringer wrote before it rang.
  virtual uint32_t ticket() const = 0;
  virtual void ring() const = 0;
  virtual void wait(uint32_t ticket, Timeout timeout) const = 0;

 protected:
  Bell(Bell&&) = default;
  Bell& operator=(Bell&&) = default;
};

}  // namespace sluice
