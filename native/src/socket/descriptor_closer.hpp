// Closes what a peer has had a hand in, without letting the peer stop the loop.
//
// close(2) can take as long as somebody else likes: a TCP socket with SO_LINGER waits until its
// bytes are taken, a file of a FUSE file system until its server answers, a tape until it has
// wound. A socket whose queue holds such descriptors closes them with itself, so that closing a
// connection that was not read to its end is the same. Linger cannot just be taken off: whoever
// sent the descriptor may still have the socket, and puts it on again.
#pragma once

#include <memory>
#include <mutex>

#include "sluice/detail/file_descriptor.hpp"

namespace sluice::binding {

class DescriptorCloser {
 public:
  DescriptorCloser();
  DescriptorCloser(const DescriptorCloser&) = delete;
  DescriptorCloser& operator=(const DescriptorCloser&) = delete;
  ~DescriptorCloser();

  // On a thread, unless it is certain to be quick. Nearly always the descriptor is closed when this
  // returns; it waits for that as long as its patience lasts, which is 1 % of the time at most.
  void close(FileDescriptor descriptor);

 private:
  struct State;  // shared with the threads, which may outlive this

  bool has_thread(const std::unique_lock<std::mutex>& lock);  // with the mutex
  static void run(const std::shared_ptr<State>& state);

  std::shared_ptr<State> state_;
};

// Whether nothing that a peer does can make closing it wait: a pipe, memory.
bool closes_at_once(int descriptor);

}  // namespace sluice::binding
