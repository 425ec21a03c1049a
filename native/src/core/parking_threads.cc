#include "core/parking_threads.hpp"

#include "core/errors.hpp"
#include "core/parking_thread.hpp"

namespace sluice::binding {

ParkingThreads::ParkingThreads(Environment& environment)
    : woken_(environment.env(), "sluice.wake",
             [this](Napi::Env loop, std::vector<Id> ids) { deliver(loop, ids); }) {
  environment.on_shutdown([this] { shut_down(); });
}

ParkingThreads::~ParkingThreads() {
  shut_down();
}

void ParkingThreads::set_listener(Napi::Function listener) {
  listener_ = Napi::Persistent(listener);
}

void ParkingThreads::closed() {
  if (--open_ == 0) threads_.clear();
}

void ParkingThreads::park(Id id, std::shared_ptr<Waitable> waitable, uint32_t ticket) {
  if (shut_down_) return;
  woken_.open();
  for (const auto& thread : threads_) {
    if (thread->try_park(id, waitable, ticket)) return;
  }
  threads_.push_back(std::make_unique<ParkingThread>(*this));
  threads_.back()->try_park(id, waitable, ticket);
}

void ParkingThreads::unpark(Id id) {
  for (const auto& thread : threads_) {
    if (thread->unpark(id)) return;
  }
}

void ParkingThreads::deliver(Napi::Env env, const std::vector<Id>& ids) {
  run_on_loop(env, [&] {
    Napi::Array list = Napi::Array::New(env, ids.size());
    for (size_t i = 0; i < ids.size(); ++i) list.Set(static_cast<uint32_t>(i), ids[i]);
    listener_.Call({list});
  });
}

void ParkingThreads::shut_down() {
  shut_down_ = true;
  threads_.clear();
  listener_.Reset();
  woken_.close();
}

}  // namespace sluice::binding
