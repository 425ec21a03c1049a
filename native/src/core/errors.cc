#include "core/errors.hpp"

#include "core/environment.hpp"

namespace sluice::binding {

Napi::Error to_javascript(Napi::Env env, const Error& error) {
  const auto& factory = Environment::of(env).error_factory;
  const Napi::Value undefined = env.Undefined();
  const auto text = [&](const std::string& value) {
    return value.empty() ? undefined : Napi::Value(Napi::String::New(env, value));
  };
  const bool failed_call = error.syscall() != nullptr;
  const Napi::Value made = factory.Call({
      Napi::String::New(env, error.code()),
      Napi::String::New(env, error.what()),
      failed_call ? Napi::Value(Napi::String::New(env, error.syscall())) : undefined,
      failed_call ? Napi::Value(Napi::Number::New(env, error.number())) : undefined,
      text(error.address()),
      text(error.path()),
      error.pid() ? Napi::Value(Napi::Number::New(env, *error.pid())) : undefined,
  });
  return Napi::Error(env, made);
}

}  // namespace sluice::binding
