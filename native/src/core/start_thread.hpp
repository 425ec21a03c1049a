// Starting a thread, which fails where a limit on threads is reached.
#pragma once

#include <system_error>
#include <thread>
#include <utility>

#include "sluice/error.hpp"

namespace sluice::binding {

// The system's error for a thread that std::thread could not start.
Error cannot_start_thread(const std::system_error& error);

template <typename Body>
std::thread start_thread(Body&& body) {
  try {
    return std::thread(std::forward<Body>(body));
  } catch (const std::system_error& error) {
    throw cannot_start_thread(error);
  }
}

}  // namespace sluice::binding
