// The identity of the process at the other end of a pipe, as the system knows it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "sluice/detail/handle_win.hpp"

namespace sluice::binding {

struct Identity {
  std::string user_sid;
  std::string integrity_level;  // "untrusted", "low", "medium", "high", "system"
  bool elevated = false;
};

// The client's identity by its token: impersonates it for a moment, on the calling thread. Throws
// with ERROR_CANNOT_IMPERSONATE where the system wants to see the client's first byte before, and
// with ERROR_CANT_OPEN_ANONYMOUS when the client does not want to be known.
Identity identify_client(const Handle& pipe);

struct ProcessInfo {
  std::optional<uint32_t> pid;  // information only: it may belong to somebody else by now
  std::optional<uint32_t> session;
};
ProcessInfo client_process(const Handle& pipe);
ProcessInfo server_process(const Handle& pipe);

// "DOMAIN\name" of a SID; empty when the system does not know. May ask the network.
std::string account_name(const std::string& sid);

}  // namespace sluice::binding
