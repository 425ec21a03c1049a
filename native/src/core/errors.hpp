// From C++ exceptions to JavaScript errors, at the border and nowhere else.
#pragma once

#include <napi.h>

#include <exception>
#include <new>
#include <utility>

#include "sluice/error.hpp"

namespace sluice::binding {

Napi::Error to_javascript(Napi::Env env, const Error& error);

// For a std::bad_alloc.
Error out_of_memory();

// Runs the body of a native function; its exceptions become JavaScript's.
template <typename Body>
auto guarded(Napi::Env env, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& error) {
    throw to_javascript(env, error);
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw to_javascript(env, out_of_memory());
  } catch (const std::exception& error) {
    throw to_javascript(env, Error(error_code::kInternal, error.what()));
  }
}

// Runs a body that calls JavaScript from a native callback. An exception must not leave such a
// callback: it becomes 'uncaughtException', except in an environment that is being terminated,
// where even the smallest call can fail.
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
    // Not even the error can be had: the environment is being terminated.
  }
}

}  // namespace sluice::binding
