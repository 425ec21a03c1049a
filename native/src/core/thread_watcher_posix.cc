// Watching by a thread, for runtimes in which polls of libuv do not work.
#include <atomic>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/mailbox.hpp"
#include "core/poller.hpp"
#include "core/start_thread.hpp"
#include "core/watcher.hpp"

namespace sluice::binding {
namespace {

class ThreadWatch;

class ThreadWatcher : public Watcher, public std::enable_shared_from_this<ThreadWatcher> {
 public:
  explicit ThreadWatcher(Napi::Env env);
  ~ThreadWatcher() override { shut_down(); }

  std::unique_ptr<Watch> watch(int descriptor, Id id) override;

 private:
  friend class ThreadWatch;

  void run();
  void deliver(const std::vector<Poller::Event>& ready);
  void shut_down();
  // How many watches keep the process alive.
  void add_active(int change);

  Poller poller_;
  Mailbox<Poller::Event> ready_;
  bool ended_ = false;
  int active_ = 0;
  std::unordered_map<Id, ThreadWatch*> watches_;

  // release by the ending thread, acquire by the waiting one
  std::atomic<bool> ending_{false};
  std::thread thread_;  // last: it uses all of the above
};

class ThreadWatch : public Watch {
 public:
  ThreadWatch(std::shared_ptr<ThreadWatcher> watcher, int descriptor, Watcher::Id id)
      : watcher_(std::move(watcher)), descriptor_(descriptor), id_(id) {
    watcher_->watches_.emplace(id, this);
  }

  ~ThreadWatch() override {
    count(false);
    watcher_->watches_.erase(id_);
    watcher_->poller_.remove(descriptor_);
  }

  void set(Readiness wanted) override {
    if (wanted == wanted_ || watcher_->ended_) return;
    arm(wanted);
    wanted_ = wanted;
    count(ref_ && wanted_ != 0);
  }

  void set_ref(bool ref) override {
    ref_ = ref;
    count(ref_ && wanted_ != 0);
  }

  // The poller reports once. A failure is told once more, as readiness: whoever reads or writes
  // then finds out what is wrong with the descriptor.
  void arm_again() {
    try {
      arm(wanted_);
    } catch (const Error&) {
      watcher_->report(id_, wanted_ & (kReadable | kWritable));
    }
  }

 private:
  friend class ThreadWatcher;

  void arm(Readiness wanted) {
    const Readiness events = wanted & (kReadable | kWritable);
    if (events == 0) {
      watcher_->poller_.remove(descriptor_);
    } else {
      watcher_->poller_.arm(descriptor_, id_, events);
    }
  }

  void count(bool active) {
    if (active == counted_) return;
    counted_ = active;
    watcher_->add_active(active ? 1 : -1);
  }

  std::shared_ptr<ThreadWatcher> watcher_;
  int descriptor_;
  Watcher::Id id_;
  Readiness wanted_ = 0;
  bool ref_ = true;
  bool counted_ = false;
};

ThreadWatcher::ThreadWatcher(Napi::Env env)
    : Watcher(env, Caller::kNodeApi),
      ready_(env, "sluice.watch",
             [this](Napi::Env, std::vector<Poller::Event> ready) { deliver(ready); }) {
  ready_.open();
  thread_ = start_thread([this] { run(); });
  env.AddCleanupHook([](ThreadWatcher* self) { self->shut_down(); }, this);
}

std::unique_ptr<Watch> ThreadWatcher::watch(int descriptor, Id id) {
  return std::make_unique<ThreadWatch>(shared_from_this(), descriptor, id);
}

void ThreadWatcher::run() {
  for (;;) {
    const auto events = poller_.wait();
    // acquire: pairs with the release of `shut_down`.
    if (ending_.load(std::memory_order_acquire)) return;
    if (events.empty()) continue;
    ready_.post(events);
  }
}

void ThreadWatcher::deliver(const std::vector<Poller::Event>& ready) {
  const std::shared_ptr<ThreadWatcher> alive = shared_from_this();
  for (const auto& [id, readiness] : ready) {
    const auto before = watches_.find(id);
    if (before == watches_.end()) continue;  // closed since
    const Readiness wanted = readiness & before->second->wanted_;
    if (wanted != 0) report(id, wanted);
    const auto after = watches_.find(id);
    if (after != watches_.end() && after->second->wanted_ != 0 && !ended_)
      after->second->arm_again();
  }
}

void ThreadWatcher::add_active(int change) {
  const bool was = active_ > 0;
  active_ += change;
  if (ended_ || was == (active_ > 0)) return;
  ready_.set_ref(active_ > 0);
}

void ThreadWatcher::shut_down() {
  if (std::exchange(ended_, true)) return;
  // release: pairs with the acquire of `run`.
  ending_.store(true, std::memory_order_release);
  poller_.interrupt();
  thread_.join();
  forget_listener();
  ready_.close();
}

}  // namespace

std::shared_ptr<Watcher> make_thread_watcher(Napi::Env env) {
  return std::make_shared<ThreadWatcher>(env);
}

}  // namespace sluice::binding
