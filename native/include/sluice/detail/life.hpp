// How an end of a ring knows whether there is somebody at the other. A claimed role (RoleLife) is
// one way; the end of a connection that two processes have beside the ring can be another.
#pragma once

namespace sluice {

class Life {
 public:
  Life() = default;
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;
  virtual ~Life() = default;

  // Whether this end has not been given up.
  virtual bool holds() const = 0;
  virtual void release() = 0;

  // Never false while the other end lives, however it is stopped or delayed.
  virtual bool peer_lives() const = 0;
};

}  // namespace sluice
