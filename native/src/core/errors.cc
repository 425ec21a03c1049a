#include "core/errors.hpp"

#include "core/environment.hpp"

namespace sluice::binding {

Napi::Error to_javascript(Napi::Env env, const Error& error) {
  const auto& factory = Environment::of(env).error_factory;
  const Napi::Value undefined = env.Undefined();
  const bool failed_call = error.syscall() != nullptr;
  const char* name = failed_call ? system_error_name(error.number()) : nullptr;
  const Napi::Value made = factory.Call({
      Napi::String::New(env, error.code()),
      Napi::String::New(env, error.what()),
      failed_call ? Napi::Value(Napi::String::New(env, error.syscall())) : undefined,
      failed_call ? Napi::Value(Napi::Number::New(env, error.number())) : undefined,
      error.address().empty() ? undefined : Napi::Value(Napi::String::New(env, error.address())),
      error.pid() ? Napi::Value(Napi::Number::New(env, *error.pid())) : undefined,
      name == nullptr ? undefined : Napi::Value(Napi::String::New(env, name)),
  });
  return Napi::Error(env, made);
}

}  // namespace sluice::binding
