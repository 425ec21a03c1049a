#include <optional>
#include <string>
#include <utility>

#include "core/environment.hpp"
#include "core/errors.hpp"
#include "pipe/completion_port_win.hpp"
#include "pipe/pipe_handle_win.hpp"
#include "pipe/pipes.hpp"
#include "sluice/detail/security_win.hpp"

namespace sluice::binding {
namespace {

// initialisePipes(onEvents)
void initialise(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).part<CompletionPort>().set_listener(info[0].As<Napi::Function>());
}

// setPipeRef(ref)
void set_ref(const Napi::CallbackInfo& info) {
  Environment::of(info.Env()).part<CompletionPort>().set_ref(info[0].As<Napi::Boolean>());
}

// currentUserSid()
Napi::Value current_user(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return Napi::String::New(info.Env(), detail::current_user_sid()); });
}

// checkSecurity(sddl): throws unless it can be parsed.
void check_security(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { detail::SecurityAttributes(info[0].As<Napi::String>()); });
}

// systemError(syscall, code, attempt, address): an error to reject with.
Napi::Value system_error(const Napi::CallbackInfo& info) {
  const std::string syscall = info[0].As<Napi::String>();
  return to_javascript(info.Env(), detail::windows_error(syscall.c_str(),
                                                         info[1].As<Napi::Number>().Uint32Value(),
                                                         info[2].As<Napi::String>().Utf8Value(),
                                                         info[3].As<Napi::String>().Utf8Value()))
      .Value();
}

// Looks an account's name up without blocking the loop: it may lie on another machine.
class AccountNameWorker : public Napi::AsyncWorker {
 public:
  AccountNameWorker(Napi::Env env, std::string sid)
      : Napi::AsyncWorker(env, "sluice.account"),
        sid_(std::move(sid)),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override { name_ = account_name(sid_); }
  void OnOK() override { deferred_.Resolve(Napi::String::New(Env(), name_)); }

 private:
  std::string sid_;
  std::string name_;
  Napi::Promise::Deferred deferred_;
};

// accountName(sid): a promise of 'DOMAIN\name', or ''.
Napi::Value look_up_account(const Napi::CallbackInfo& info) {
  // An AsyncWorker destroys itself when it is done.
  auto worker = std::make_unique<AccountNameWorker>(info.Env(), info[0].As<Napi::String>());
  const Napi::Promise promise = worker->promise();
  worker.release()->Queue();
  return promise;
}

}  // namespace

void define_pipes(Napi::Env env, Napi::Object exports) {
  exports.Set("initialisePipes", Napi::Function::New(env, initialise));
  exports.Set("setPipeRef", Napi::Function::New(env, set_ref));
  exports.Set("currentUserSid", Napi::Function::New(env, current_user));
  exports.Set("checkSecurity", Napi::Function::New(env, check_security));
  exports.Set("systemError", Napi::Function::New(env, system_error));
  exports.Set("accountName", Napi::Function::New(env, look_up_account));
  PipeHandle::define(env, exports);
}

}  // namespace sluice::binding
