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

}  // namespace sluice::binding
