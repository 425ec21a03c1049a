// A mailbox brings entries of other threads to an environment's event loop: they gather here, and
// the loop takes them in batches, called by one thread-safe function.
#pragma once

#include <napi.h>

#include <functional>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace sluice::binding {

template <typename Entry>
class Mailbox {
 public:
  using Receive = std::function<void(Napi::Env env, std::vector<Entry> entries)>;

  // `receive` is called on the loop.
  Mailbox(Napi::Env env, const char* name, Receive receive)
      : env_(env), name_(name), receive_(std::move(receive)) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  ~Mailbox() { close(); }

  // On the loop's thread, before the first thread posts.
  void open() {
    if (function_ != nullptr) return;
    const auto call = [](napi_env env, napi_value, void* context, void*) {
      // No environment: the queue is being emptied at its end.
      if (env != nullptr) static_cast<Mailbox*>(context)->deliver(Napi::Env(env));
    };
    const Napi::String name = Napi::String::New(env_, name_);
    const napi_status status = napi_create_threadsafe_function(
        env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, call, &function_);
    NAPI_THROW_IF_FAILED_VOID(env_, status);
    set_ref(ref_);
  }

  // Whether the mailbox keeps the process alive.
  void set_ref(bool ref) {
    ref_ = ref;
    if (function_ == nullptr) return;
    if (ref) {
      napi_ref_threadsafe_function(env_, function_);
    } else {
      napi_unref_threadsafe_function(env_, function_);
    }
  }

  // From any thread.
  void post(std::span<const Entry> entries) {
    const std::lock_guard lock(mutex_);
    // A batch that is still to be delivered takes these along.
    const bool call = entries_.empty() && !refused_;
    entries_.insert(entries_.end(), entries.begin(), entries.end());
    if (!call) return;
    // The queue has no limit and never more than one entry, so only the environment's end can be
    // the reason for a refusal. That has released the function for us.
    if (napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) != napi_ok) {
      refused_ = true;
    }
  }

  // On the loop's thread, when no thread is left that could post.
  void close() {
    napi_threadsafe_function function = std::exchange(function_, nullptr);
    if (function != nullptr && !refused_) {
      napi_release_threadsafe_function(function, napi_tsfn_abort);
    }
  }

 private:
  void deliver(Napi::Env env) {
    const Napi::HandleScope scope(env);
    std::vector<Entry> entries;
    {
      const std::lock_guard lock(mutex_);
      entries.swap(entries_);
    }
    receive_(env, std::move(entries));  // and nothing after it, which may have ended the owner
  }

  Napi::Env env_;
  const char* name_;
  Receive receive_;
  napi_threadsafe_function function_ = nullptr;
  bool ref_ = false;

  std::mutex mutex_;  // guards what follows, which the threads share
  std::vector<Entry> entries_;
  bool refused_ = false;  // the environment is going down; the function must not be called
};

}  // namespace sluice::binding
