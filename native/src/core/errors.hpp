// From C++ exceptions to JavaScript errors, at the border and nowhere else.
#pragma once

#include <napi.h>

#include <exception>
#include <new>
#include <utility>

#include "sluice/error.hpp"

namespace sluice::binding {

Napi::Error to_javascript(Napi::Env env, const Error& error);

// Runs the body of a native function; whatever it throws becomes a JavaScript exception.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    throw to_javascript(env, error);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw to_javascript(env, Error(error_code::kSystem, error.what()));
  }
}

// Runs what calls JavaScript from outside of it. What that throws becomes 'uncaughtException', for
// an exception must not leave a native callback; an environment that is being terminated, in which
// even the smallest call can fail, takes none.
template <typename Body>
void run_on_loop(Napi::Env env, Body&& body) noexcept {
  try {
    try {
      std::forward<Body>(body)();
    } catch (const Napi::Error& error) {
      const Napi::Value value = error.Value();
      if (!value.IsEmpty()) napi_fatal_exception(env, value);
    }
  } catch (const Napi::Error&) {
    // Not even the error can be had: it is being terminated.
  }
}

}  // namespace sluice::binding
