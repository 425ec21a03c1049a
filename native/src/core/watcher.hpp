// Tells the event loop when descriptors become ready.
//
// Two implementations: polls of libuv on the environment's own loop, without a thread hop; and,
// for runtimes where those do not work, a thread that waits and a thread-safe function.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>

#include "core/environment.hpp"
#include "sluice/error.hpp"

namespace sluice::binding {

// The kinds of readiness to watch for, as bits; lib/core has the same.
using Readiness = uint32_t;
inline constexpr Readiness kReadable = 1;
inline constexpr Readiness kWritable = 2;
inline constexpr Readiness kIdle = 4;  // for nothing, but the process is kept alive

// The error of a system that refuses to watch a descriptor.
Error cannot_watch(const char* syscall, int number);

// The watching of one descriptor. Once it is destroyed, the descriptor may be closed.
class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  virtual ~Watch() = default;

  // The kinds of readiness to report from now on, again and again while they last; 0: none. When
  // the system refuses, everything is as before.
  virtual void set(Readiness wanted) = 0;
  // Whether the watch keeps the process alive while it waits for something.
  virtual void set_ref(bool ref) = 0;
};

class Watcher {
 public:
  using Id = uint32_t;

  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  virtual ~Watcher() = default;

  // `listener(id, readiness)` is called on the loop. A failed descriptor counts as ready.
  void set_listener(Napi::Function listener) { listener_ = Napi::Persistent(listener); }

  virtual std::unique_ptr<Watch> watch(int descriptor, Id id) = 0;

 protected:
  // A callback of the loop itself must open a callback scope; one through Node-API has it.
  enum class Caller { kLoop, kNodeApi };

  Watcher(Napi::Env env, Caller caller) : env_(env), caller_(caller) {}

  Napi::Env env() const { return env_; }
  void report(Id id, Readiness readiness);
  void forget_listener() { listener_.Reset(); }

 private:
  void call_listener(Id id, Readiness readiness);

  Napi::Env env_;
  Caller caller_;
  Napi::FunctionReference listener_;
};

// An environment's watcher, made at the first use of it.
class WatcherPart {
 public:
  explicit WatcherPart(Environment& environment) : env_(environment.env()) {}

  // `in_thread`: not on the loop, even where that works.
  void initialise(Napi::Function listener, bool in_thread);
  Watcher& get();

 private:
  Napi::Env env_;
  Napi::FunctionReference listener_;
  bool in_thread_ = false;
  // Shut down by a hook of its own. Shared with the watches, whose finalizers may run later.
  std::shared_ptr<Watcher> watcher_;
};

// Whether the environment's loop is one of libuv. Other runtimes export some of libuv's functions:
// none may be called before this is known, as some of them end the process.
bool can_watch_on_loop(Napi::Env env);
std::shared_ptr<Watcher> make_loop_watcher(Napi::Env env);
std::shared_ptr<Watcher> make_thread_watcher(Napi::Env env);

}  // namespace sluice::binding
