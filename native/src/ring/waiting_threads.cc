#include "ring/waiting_threads.hpp"

#include <utility>

#include "core/errors.hpp"
#include "ring/waiting_thread.hpp"

namespace sluice::binding {

WaitingThreads::WaitingThreads(Napi::Env env) : env_(env) {}

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
  create_function();
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

void WaitingThreads::set_ref(bool ref) {
  ref_ = ref;
  if (function_ == nullptr) return;
  if (ref) {
    napi_ref_threadsafe_function(env_, function_);
  } else {
    napi_unref_threadsafe_function(env_, function_);
  }
}

void WaitingThreads::create_function() {
  if (function_ != nullptr) return;
  const auto deliver = [](napi_env env, napi_value, void* context, void*) {
    // No environment: the queue is being emptied at its end.
    if (env != nullptr) static_cast<WaitingThreads*>(context)->deliver(Napi::Env(env));
  };
  const Napi::String name = Napi::String::New(env_, "sluice.wake");
  const napi_status status = napi_create_threadsafe_function(
      env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, deliver, &function_);
  NAPI_THROW_IF_FAILED_VOID(env_, status);
  set_ref(ref_);
}

void WaitingThreads::report(const std::vector<Id>& ids) {
  const std::lock_guard lock(mutex_);
  // A batch that is still to be delivered takes these along.
  const bool call = woken_.empty() && !closing_;
  woken_.insert(woken_.end(), ids.begin(), ids.end());
  if (!call) return;
  // The queue has no limit and never more than one entry, so only the environment's end can be
  // the reason for a refusal. That has released the function for us.
  if (napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) != napi_ok) {
    closing_ = true;
  }
}

void WaitingThreads::deliver(Napi::Env env) {
  const Napi::HandleScope scope(env);
  std::vector<Id> ids;
  {
    const std::lock_guard lock(mutex_);
    ids.swap(woken_);
  }
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
  // No thread is left that could call it. When the environment has closed it already, it was
  // released by the refused call.
  if (function_ != nullptr && !closing_) {
    napi_release_threadsafe_function(std::exchange(function_, nullptr), napi_tsfn_abort);
  }
}

}  // namespace sluice::binding
