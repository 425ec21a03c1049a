#include "ring/waiting_threads.hpp"

#include "core/errors.hpp"
#include "ring/waiting_thread.hpp"

namespace sluice::binding {

WaitingThreads::WaitingThreads(Environment& environment)
    : woken_(environment.env(), "sluice.wake",
             [this](Napi::Env loop, std::vector<Id> ids) { deliver(loop, ids); }) {
  environment.on_shutdown([this] { shut_down(); });
}

WaitingThreads::~WaitingThreads() {
  shut_down();
}

void WaitingThreads::set_listener(Napi::Function listener) {
  listener_ = Napi::Persistent(listener);
}

void WaitingThreads::endpoint_closed() {
  if (--endpoints_ == 0) stop_threads();
}

void WaitingThreads::arm(Id id, std::shared_ptr<RingEndpoint> endpoint,
                         const RingEndpoint::Sleep& sleep) {
  if (shut_down_) return;
  disarm(id);  // a wake-up that came late may have left it armed
  woken_.open();
  for (const auto& thread : threads_) {
    if (thread->try_arm(id, endpoint, sleep)) return;
  }
  threads_.push_back(std::make_unique<WaitingThread>(*this));
  threads_.back()->try_arm(id, endpoint, sleep);
}

void WaitingThreads::disarm(Id id) {
  for (const auto& thread : threads_) {
    if (thread->disarm(id)) return;
  }
}

void WaitingThreads::deliver(Napi::Env env, const std::vector<Id>& ids) {
  run_on_loop(env, [&] {
    Napi::Array list = Napi::Array::New(env, ids.size());
    for (size_t i = 0; i < ids.size(); ++i) list.Set(static_cast<uint32_t>(i), ids[i]);
    listener_.Call({list});
  });
}

void WaitingThreads::stop_threads() {
  threads_.clear();
}

void WaitingThreads::shut_down() {
  shut_down_ = true;
  stop_threads();
  listener_.Reset();
  woken_.close();
}

}  // namespace sluice::binding
