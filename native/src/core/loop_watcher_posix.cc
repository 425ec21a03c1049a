// Watching by polls of libuv, on the environment's own loop.
#include <uv.h>

#include <unordered_set>
#include <utility>

#include "core/poller.hpp"
#include "core/runtime_symbol.hpp"
#include "core/watcher.hpp"
#include "sluice/error.hpp"

namespace sluice::binding {
namespace {

// libuv's functions, looked up: a runtime that lacks one of them must still load the addon.
struct Libuv {
  decltype(&uv_poll_init) poll_init = find<decltype(&uv_poll_init)>("uv_poll_init");
  decltype(&uv_poll_start) poll_start = find<decltype(&uv_poll_start)>("uv_poll_start");
  decltype(&uv_poll_stop) poll_stop = find<decltype(&uv_poll_stop)>("uv_poll_stop");
  decltype(&uv_close) close = find<decltype(&uv_close)>("uv_close");
  decltype(&uv_ref) ref = find<decltype(&uv_ref)>("uv_ref");
  decltype(&uv_unref) unref = find<decltype(&uv_unref)>("uv_unref");

  bool complete() const {
    return poll_init != nullptr && poll_start != nullptr && poll_stop != nullptr &&
           close != nullptr && ref != nullptr && unref != nullptr;
  }

 private:
  template <typename Function>
  static Function find(const char* name) {
    return reinterpret_cast<Function>(runtime_symbol(name));
  }
};

const Libuv& libuv() {
  static const Libuv functions;
  return functions;
}

class LoopWatch;

class LoopWatcher : public Watcher, public std::enable_shared_from_this<LoopWatcher> {
 public:
  explicit LoopWatcher(Napi::Env env) : Watcher(env, Caller::kLoop) {
    NAPI_THROW_IF_FAILED_VOID(env, napi_get_uv_event_loop(env, &loop_));
    NAPI_THROW_IF_FAILED_VOID(env, napi_add_async_cleanup_hook(env, shut_down, this, &hook_));
  }

  std::unique_ptr<Watch> watch(int descriptor, Id id) override;

 private:
  friend class LoopWatch;

  // Belongs to the loop from uv_poll_init to the close callback, which destroys it.
  struct Poll {
    uv_poll_t handle;
    LoopWatch* watch;  // nullptr once it is closing
    std::shared_ptr<LoopWatcher> watcher;
  };

  static void on_ready(uv_poll_t* handle, int status, int events);
  static void on_closed(uv_handle_t* handle);
  // Workers and the main thread end in any state: the loop must not be left with open polls.
  static void shut_down(napi_async_cleanup_hook_handle, void* self);

  void close(Poll* poll);
  void finish_if_done();

  uv_loop_t* loop_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  bool ending_ = false;
  size_t open_polls_ = 0;
  std::unordered_set<LoopWatch*> watches_;
};

class LoopWatch : public Watch {
 public:
  LoopWatch(std::shared_ptr<LoopWatcher> watcher, int descriptor, Watcher::Id id)
      : watcher_(std::move(watcher)), id_(id) {
    if (watcher_->ending_) return;
    auto poll = std::make_unique<LoopWatcher::Poll>();
    const int failure = libuv().poll_init(watcher_->loop_, &poll->handle, descriptor);
    if (failure != 0) throw cannot_watch("epoll_ctl", -failure);
    poll->handle.data = poll.get();
    poll->watch = this;
    poll->watcher = watcher_;
    poll_ = poll.release();
    ++watcher_->open_polls_;
    watcher_->watches_.insert(this);
  }

  ~LoopWatch() override {
    watcher_->watches_.erase(this);
    stop();
  }

  void set(Readiness wanted) override {
    if (wanted == wanted_ || poll_ == nullptr) return;
    if (wanted == 0) {
      libuv().poll_stop(&poll_->handle);
    } else {
      const int failure = start(wanted);
      if (failure != 0) throw cannot_watch("epoll_ctl", -failure);
    }
    wanted_ = wanted;
  }

  // libuv has stopped the poll because of an error, which was reported as readiness. Whoever reads
  // or writes may have to do it several times before the system tells the error.
  void resume() {
    if (wanted_ != 0 && poll_ != nullptr) start(wanted_);
  }

  void set_ref(bool ref) override {
    if (poll_ == nullptr) return;
    auto* handle = reinterpret_cast<uv_handle_t*>(&poll_->handle);
    if (ref) {
      libuv().ref(handle);
    } else {
      libuv().unref(handle);
    }
  }

  void stop() {
    if (poll_ != nullptr) watcher_->close(std::exchange(poll_, nullptr));
  }

 private:
  friend class LoopWatcher;

  // 0, or the error of libuv.
  int start(Readiness wanted) {
    int events = 0;
    if ((wanted & kReadable) != 0) events |= UV_READABLE;
    if ((wanted & kWritable) != 0) events |= UV_WRITABLE;
    // Urgent data never comes on a Unix socket: a way to be active without an event.
    if (wanted == kIdle) events = UV_PRIORITIZED;
    return libuv().poll_start(&poll_->handle, events, LoopWatcher::on_ready);
  }

  std::shared_ptr<LoopWatcher> watcher_;
  Watcher::Id id_;
  Readiness wanted_ = 0;
  LoopWatcher::Poll* poll_ = nullptr;
};

std::unique_ptr<Watch> LoopWatcher::watch(int descriptor, Id id) {
  return std::make_unique<LoopWatch>(shared_from_this(), descriptor, id);
}

void LoopWatcher::on_ready(uv_poll_t* handle, int status, int events) {
  const auto* poll = static_cast<Poll*>(handle->data);
  if (poll->watch == nullptr) return;
  // The listener may destroy the watch, not the watcher.
  const std::shared_ptr<LoopWatcher> watcher = poll->watcher;
  const Id id = poll->watch->id_;
  Readiness readiness = 0;
  if ((events & UV_READABLE) != 0) readiness |= kReadable;
  if ((events & UV_WRITABLE) != 0) readiness |= kWritable;
  if (status != 0) readiness = poll->watch->wanted_ & (kReadable | kWritable);
  watcher->report(id, readiness);
  // The poll itself lives at least until the loop's next phase.
  if (status != 0 && poll->watch != nullptr) poll->watch->resume();
}

void LoopWatcher::close(Poll* poll) {
  poll->watch = nullptr;
  // The descriptor leaves the loop's epoll set now; only the memory is needed for longer.
  libuv().close(reinterpret_cast<uv_handle_t*>(&poll->handle), on_closed);
}

void LoopWatcher::on_closed(uv_handle_t* handle) {
  const std::unique_ptr<Poll> poll(static_cast<Poll*>(handle->data));
  --poll->watcher->open_polls_;
  poll->watcher->finish_if_done();
}

void LoopWatcher::shut_down(napi_async_cleanup_hook_handle, void* self) {
  auto* watcher = static_cast<LoopWatcher*>(self);
  const std::shared_ptr<LoopWatcher> alive = watcher->shared_from_this();
  watcher->ending_ = true;
  watcher->forget_listener();
  for (LoopWatch* watch : watcher->watches_) watch->stop();
  watcher->finish_if_done();
}

void LoopWatcher::finish_if_done() {
  if (ending_ && open_polls_ == 0 && hook_ != nullptr) {
    napi_remove_async_cleanup_hook(std::exchange(hook_, nullptr));
  }
}

}  // namespace

bool can_watch_on_loop(Napi::Env env) {
  uv_loop_t* loop = nullptr;
  if (!libuv().complete() || napi_get_uv_event_loop(env, &loop) != napi_ok) return false;
  // The loops of other runtimes have no such queue where libuv has its own.
  return loop != nullptr && is_poller(loop->backend_fd);
}

std::shared_ptr<Watcher> make_loop_watcher(Napi::Env env) {
  return std::make_shared<LoopWatcher>(env);
}

}  // namespace sluice::binding
