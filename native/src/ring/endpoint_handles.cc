#include "ring/endpoint_handles.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/arguments.hpp"
#include "core/byte_view.hpp"
#include "core/environment.hpp"
#include "core/errors.hpp"
#include "core/parking_threads.hpp"
#include "ring/ring_handle.hpp"
#include "sluice/ring_consumer.hpp"
#include "sluice/ring_producer.hpp"

namespace sluice::binding {
namespace {

// An endpoint whose owner sleeps, as the parking threads see it.
class ParkedEndpoint : public Waitable {
 public:
  ParkedEndpoint(std::shared_ptr<RingEndpoint> endpoint, std::shared_ptr<const Doorbell> doorbell)
      : endpoint_(std::move(endpoint)), doorbell_(std::move(doorbell)) {}

  // On the loop's thread, while it is not parked.
  void set(const RingEndpoint::Sleep& sleep) { sleep_ = sleep; }

  const Doorbell& doorbell() const override { return *doorbell_; }
  uint32_t announce() override {
    sleep_ = endpoint_->announce_again(sleep_);
    return sleep_.ticket;
  }
  void retract() override { endpoint_->retract(); }
  bool is_ready(Look look) const override {
    const auto peer = look == Look::kAtMemory ? RingEndpoint::Peer::kTakenForAlive
                                              : RingEndpoint::Peer::kAskedFor;
    return endpoint_->look(sleep_, peer) != WaitStatus::kNothingYet;
  }

 private:
  std::shared_ptr<RingEndpoint> endpoint_;
  std::shared_ptr<const Doorbell> doorbell_;  // the endpoint's bell
  RingEndpoint::Sleep sleep_ = {};
};

// new EndpointHandle(ring, state, id): claims the role. `state` is an ArrayBuffer for the
// EndpointState, which both languages use.
template <typename Endpoint>
class EndpointHandle : public Napi::ObjectWrap<EndpointHandle<Endpoint>> {
 public:
  static void define(Napi::Env env, Napi::Object exports, const char* name) {
    using Self = EndpointHandle;
    using Wrap = Napi::ObjectWrap<Self>;
    std::vector<typename Wrap::PropertyDescriptor> methods = {
        Wrap::template InstanceMethod<&Self::park>("park"),
        Wrap::template InstanceMethod<&Self::ask_for_fences>("askForFences"),
        Wrap::template InstanceMethod<&Self::announce>("announce"),
        Wrap::template InstanceMethod<&Self::unpark>("unpark"),
        Wrap::template InstanceMethod<&Self::wait_sync>("waitSync"),
        Wrap::template InstanceMethod<&Self::wake_peer>("wakePeer"),
        Wrap::template InstanceMethod<&Self::mourn>("mourn"),
        Wrap::template InstanceMethod<&Self::close>("close"),
        Wrap::template InstanceMethod<&Self::abandon>("abandon"),
    };
    if constexpr (kIsProducer) {
      methods.push_back(Wrap::template InstanceMethod<&Self::try_write>("tryWrite"));
      methods.push_back(Wrap::template InstanceMethod<&Self::uncork>("uncork"));
    } else {
      methods.push_back(Wrap::template InstanceMethod<&Self::peek_copy>("peekCopy"));
      methods.push_back(Wrap::template InstanceMethod<&Self::release_message>("release"));
      methods.push_back(Wrap::template InstanceMethod<&Self::finish>("finish"));
    }
    exports.Set(name, Wrap::DefineClass(env, name, methods));
  }

  explicit EndpointHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EndpointHandle>(info) {
    guarded(info.Env(), [&] {
      const Ring& ring = RingHandle::Unwrap(info[0].As<Napi::Object>())->require_open();
      auto state = info[1].As<Napi::ArrayBuffer>();
      id_ = info[2].As<Napi::Number>().Uint32Value();
      threads_ = Environment::of(info.Env()).shared_part<ParkingThreads>();
      auto claim = claim_role(ring.memory(), kIsProducer ? Role::kProducer : Role::kConsumer);
      const auto doorbell = claim.doorbell;
      endpoint_ = std::make_shared<Endpoint>(ring.memory(), std::move(claim).surroundings(),
                                             static_cast<EndpointState*>(state.Data()));
      parked_ = std::make_shared<ParkedEndpoint>(endpoint_, doorbell);
      state_ = Napi::Persistent(state);
      threads_->opened();
    });
  }

  ~EndpointHandle() override {
    give_up([](Endpoint& endpoint) { endpoint.abandon(); });
  }

 private:
  static constexpr bool kIsProducer = std::is_same_v<Endpoint, RingProducer>;

  Endpoint& require_open() const {
    if (!endpoint_) throw Error(error_code::kClosed, "this end of the ring is closed");
    return *endpoint_;
  }

  static Napi::Value to_javascript_status(Napi::Env env, WaitStatus status) {
    return Napi::Number::New(env, static_cast<uint32_t>(status));
  }

  // park(wanted): sleeps in the background if there is nothing yet; else says what there is.
  Napi::Value park(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      Endpoint& endpoint = require_open();
      publish_before_waiting();
      threads_->unpark(id_);  // a wake-up that came late may have left it parked
      const auto sleep = endpoint.announce(info[0].As<Napi::Number>().Uint32Value());
      const WaitStatus status = endpoint.look_here(sleep);
      if (status == WaitStatus::kNothingYet) {
        park_announced(sleep);
      } else {
        endpoint.retract();
      }
      return to_javascript_status(info.Env(), status);
    });
  }

  void ask_for_fences(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { require_open().ask_for_fences(); });
  }

  // announce(wanted): tells the peer to ring if there is nothing yet; else says what there is. No
  // thread sleeps for it: the peer rings by other means too, and its life is known by them.
  Napi::Value announce(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      Endpoint& endpoint = require_open();
      publish_before_waiting();
      threads_->expect_listener();
      const auto sleep = endpoint.announce(info[0].As<Napi::Number>().Uint32Value());
      const WaitStatus status = endpoint.look(sleep, RingEndpoint::Peer::kTakenForAlive);
      if (status != WaitStatus::kNothingYet) endpoint.retract();
      return to_javascript_status(info.Env(), status);
    });
  }

  void park_announced(const RingEndpoint::Sleep& sleep) {
    parked_->set(sleep);
    try {
      threads_->park(id_, parked_, sleep.ticket);
    } catch (const Error&) {
      endpoint_->retract();  // nobody sleeps, so nobody is to ring
      throw;
    }
  }

  // Corked messages must leave first, or the room that is waited for never comes.
  void publish_before_waiting() const {
    if constexpr (kIsProducer) endpoint_->publish();
  }

  void unpark(const Napi::CallbackInfo&) {
    if (!endpoint_) return;
    threads_->unpark(id_);
    endpoint_->retract();
  }

  // waitSync(wanted, milliseconds)
  Napi::Value wait_sync(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      Endpoint& endpoint = require_open();
      publish_before_waiting();
      return to_javascript_status(
          info.Env(),
          endpoint.wait(info[0].As<Napi::Number>().Uint32Value(), to_milliseconds(info[1])));
    });
  }

  // Whether the peer slept.
  Napi::Value wake_peer(const Napi::CallbackInfo& info) {
    return guarded(info.Env(),
                   [&] { return Napi::Boolean::New(info.Env(), require_open().wake_peer()); });
  }

  void mourn(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { require_open().mourn(); });
  }

  void close(const Napi::CallbackInfo&) {
    give_up([](Endpoint& endpoint) { endpoint.close(); });
  }

  void abandon(const Napi::CallbackInfo&) {
    give_up([](Endpoint& endpoint) { endpoint.abandon(); });
  }

  // The copying interface, for runtimes without ArrayBuffers over foreign memory.
  Napi::Value try_write(const Napi::CallbackInfo& info) {
    return guarded(info.Env(), [&] {
      const auto bytes = bytes_from(info.Env(), info[0]);
      if (!bytes) {
        throw Error(error_code::kInvalidArgument,
                    "bytes lost their memory before they were written");
      }
      return Napi::Boolean::New(
          info.Env(), require_open().try_write(*bytes, info[1].As<Napi::Number>().Int32Value()));
    });
  }

  void uncork(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { require_open().uncork(); });
  }

  // A copy of the next message, or undefined; its type is in the endpoint's state.
  Napi::Value peek_copy(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    return guarded(env, [&]() -> Napi::Value {
      const auto message = require_open().peek();
      if (!message) return env.Undefined();
      return Napi::Buffer<std::byte>::Copy(env, message->payload.data(), message->payload.size());
    });
  }

  void release_message(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { require_open().release(); });
  }

  // The end of the stream has been seen.
  void finish(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { require_open().finish(); });
  }

  template <typename Leave>
  void give_up(Leave&& leave) {
    if (!endpoint_) return;
    threads_->unpark(id_);
    leave(*endpoint_);
    parked_.reset();
    endpoint_.reset();
    state_.Reset();
    threads_->closed();
  }

  std::shared_ptr<ParkingThreads> threads_;
  ParkingThreads::Id id_ = 0;
  Napi::Reference<Napi::ArrayBuffer> state_;  // keeps the endpoint's state where it is
  std::shared_ptr<Endpoint> endpoint_;
  std::shared_ptr<ParkedEndpoint> parked_;
};

}  // namespace

void define_endpoint_handles(Napi::Env env, Napi::Object exports) {
  exports.Set("waitsForMany", Napi::Boolean::New(env, Doorbell::max_wait_any() > 1));
  EndpointHandle<RingProducer>::define(env, exports, "ProducerHandle");
  EndpointHandle<RingConsumer>::define(env, exports, "ConsumerHandle");
}

}  // namespace sluice::binding
