// The environment's I/O completion port and its one thread.
//
// The loop's thread starts operations and closes pipes; the port's thread takes completions off the
// port, asks for identities, frees what is done with, and reports all of it to the loop. The thread
// lives while there are pipes.
#pragma once

#include <napi.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/environment.hpp"
#include "core/mailbox.hpp"
#include "pipe/pipe_win.hpp"

namespace sluice::binding {

class CompletionPort {
 public:
  explicit CompletionPort(Environment& environment);
  CompletionPort(const CompletionPort&) = delete;
  CompletionPort& operator=(const CompletionPort&) = delete;
  ~CompletionPort();

  // `listener([id, event, error, id, event, error, ...])` is called on the loop.
  void set_listener(Napi::Function listener);
  // Whether open pipes keep the process alive.
  void set_ref(bool ref) { reports_.set_ref(ref); }

  // All of these on the loop's thread.
  std::shared_ptr<Pipe> add(Handle handle, bool message_type);
  // Returns an error code, kDone, or kPending: then an event follows.
  int64_t connect(Pipe& pipe);
  int64_t read(Pipe& pipe, size_t length);
  int64_t write(Pipe& pipe, std::span<const std::byte> bytes);
  void identify(Pipe& pipe);  // an event follows
  void cancel(Pipe& pipe, PipeEvent event);
  // The handle is closed when this returns. True: nothing was pending. False: an event follows when
  // the last operation has been given back.
  bool close(Pipe& pipe);

  // Ends everything for good.
  void shut_down();

 private:
  struct Report {
    Pipe::Id id;
    PipeEvent event;
    DWORD error;
  };

  template <typename Call>
  int64_t start(Pipe& pipe, PipeEvent event, Call&& call);
  void settle(Pipe& pipe, PipeEvent event);  // with the mutex
  void close_handle(Pipe& pipe);             // with the mutex
  bool forget_if_idle(Pipe& pipe);           // with the mutex
  void abandon();                            // with the mutex

  void run_thread();
  void stop_thread_if_idle();
  void run();
  bool dispatch(std::span<const OVERLAPPED_ENTRY> entries);  // false: the thread has to end
  Report complete(const OVERLAPPED_ENTRY& entry);
  Report identify_now(Pipe::Id id);
  std::shared_ptr<Pipe> find(Pipe::Id id);  // with the mutex

  void deliver(Napi::Env env, const std::vector<Report>& reports);

  Napi::FunctionReference listener_;
  Mailbox<Report> reports_;
  bool shut_down_ = false;  // written by the loop's thread, with the mutex
  std::chrono::steady_clock::time_point drain_deadline_;
  Handle port_;
  std::thread thread_;

  // Held by the thread while it uses a pipe's handle; taken after the other, if both.
  std::mutex identity_mutex_;
  std::mutex mutex_;  // guards what follows, and the pipes' own bookkeeping
  std::unordered_map<Pipe::Id, std::shared_ptr<Pipe>> pipes_;
  bool ending_ = false;  // the thread has to end when nothing is pending
};

}  // namespace sluice::binding
