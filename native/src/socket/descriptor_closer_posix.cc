#include <dlfcn.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "socket/descriptor_closer.hpp"

namespace sluice::binding {
namespace {

using Clock = std::chrono::steady_clock;

// A close that takes for ever keeps its thread for ever: the others go on with the rest.
constexpr size_t kMostThreads = 4;

// The loop waits for a close so long; after one that took longer it does not wait at all for a
// hundred times as long.
constexpr std::chrono::milliseconds kPatience(25);
constexpr auto kPause = 100 * kPatience;

// A thread that hangs in a close outlives a worker's environment, and a worker's end can unload the
// addon beneath it.
void stay_loaded() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(&stay_loaded), &info) == 0) return;
  static_cast<void>(::dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE));
}

}  // namespace

struct DescriptorCloser::State {
  struct Closing {
    FileDescriptor descriptor;
    bool begun = false;
    bool done = false;
  };

  std::mutex mutex;  // guards what follows, and is never held while closing
  std::condition_variable moved_on;
  std::deque<std::shared_ptr<Closing>> waiting;
  size_t threads = 0;  // each ends when nothing waits any more
  size_t busy = 0;     // how many of them are closing
  Clock::time_point patient_from;
};

DescriptorCloser::DescriptorCloser() : state_(std::make_shared<State>()) {}

DescriptorCloser::~DescriptorCloser() = default;

void DescriptorCloser::close(FileDescriptor descriptor) {
  if (!descriptor.valid() || closes_at_once(descriptor.get())) return;
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (!has_thread(lock)) {
    // Without lingering a socket closes at once, and for the rest there is nothing but to wait.
    lock.unlock();
    const linger none = {.l_onoff = 0, .l_linger = 0};
    ::setsockopt(descriptor.get(), SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    return;
  }
  const auto closing = std::make_shared<State::Closing>();
  closing->descriptor = std::move(descriptor);
  state.waiting.push_back(closing);
  if (Clock::now() < state.patient_from) return;
  // On a loaded machine it may take a thread long to begin, which is nobody's attack. While all
  // hang nobody begins.
  state.moved_on.wait(lock, [&] { return closing->begun || state.busy == state.threads; });
  if (!state.moved_on.wait_for(lock, kPatience, [&] { return closing->done; })) {
    state.patient_from = Clock::now() + kPause;
  }
}

// Starts one more, unless there are enough. False when there is none at all.
bool DescriptorCloser::has_thread(const std::unique_lock<std::mutex>&) {
  if (state_->threads == kMostThreads) return true;
  try {
    stay_loaded();
    std::thread(run, state_).detach();
    ++state_->threads;
  } catch (const std::system_error&) {
    return state_->threads > 0;
  }
  return true;
}

void DescriptorCloser::run(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (!state->waiting.empty()) {
    const auto closing = std::move(state->waiting.front());
    state->waiting.pop_front();
    closing->begun = true;
    ++state->busy;
    state->moved_on.notify_all();
    lock.unlock();
    closing->descriptor.reset();
    lock.lock();
    closing->done = true;
    --state->busy;
    state->moved_on.notify_all();
  }
  --state->threads;
}

}  // namespace sluice::binding
