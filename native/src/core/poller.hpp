// Waiting for many descriptors at once, in a thread: epoll(7), kqueue(2).
#pragma once

#include <cstdint>
#include <vector>

#include "core/watcher.hpp"
#include "sluice/detail/file_descriptor.hpp"

namespace sluice::binding {

// Whether the descriptor is one of epoll or kqueue.
bool is_poller(int descriptor);

class Poller {
 public:
  struct Event {
    Watcher::Id id;
    Readiness readiness;
  };

  Poller();

  // Reports the descriptor once when it is ready, then no more until this is called again.
  void arm(int descriptor, Watcher::Id id, Readiness wanted);
  void remove(int descriptor);

  // Blocks until something is ready; nothing when it was interrupted.
  std::vector<Event> wait();
  // From any thread; the next `wait` returns if none is under way.
  void interrupt();

 private:
  FileDescriptor queue_;
  FileDescriptor wake_;  // where the system needs a descriptor to interrupt by
};

}  // namespace sluice::binding
