#include "pipe/identity_win.hpp"

#include <exception>

#include "sluice/detail/security_win.hpp"

namespace sluice::binding {
namespace {

// For as long as it lives, the thread acts as the pipe's client.
class Impersonation {
 public:
  explicit Impersonation(const Handle& pipe) {
    if (!::ImpersonateNamedPipeClient(pipe.get())) {
      throw detail::windows_error("ImpersonateNamedPipeClient", ::GetLastError(),
                                  "cannot find out who the client is", "");
    }
  }
  Impersonation(const Impersonation&) = delete;
  Impersonation& operator=(const Impersonation&) = delete;
  ~Impersonation() {
    // Going on as somebody else would be worse than not going on.
    if (!::RevertToSelf()) std::terminate();
  }
};

Handle client_token(const Handle& pipe) {
  const Impersonation as_client(pipe);
  HANDLE token = nullptr;
  // Opened as ourselves: the client need not be allowed to open its own token here.
  if (!::OpenThreadToken(::GetCurrentThread(), TOKEN_QUERY, TRUE, &token)) {
    throw detail::windows_error("OpenThreadToken", ::GetLastError(),
                                "cannot find out who the client is", "");
  }
  return Handle(token);
}

std::string integrity_level(HANDLE token) {
  const auto bytes = detail::token_information(token, TokenIntegrityLevel);
  if (bytes.empty()) return {};
  PSID sid = reinterpret_cast<const TOKEN_MANDATORY_LABEL*>(bytes.data())->Label.Sid;
  const DWORD level = *::GetSidSubAuthority(sid, *::GetSidSubAuthorityCount(sid) - 1u);
  if (level < SECURITY_MANDATORY_LOW_RID) return "untrusted";
  if (level < SECURITY_MANDATORY_MEDIUM_RID) return "low";
  if (level < SECURITY_MANDATORY_HIGH_RID) return "medium";
  return level < SECURITY_MANDATORY_SYSTEM_RID ? "high" : "system";
}

std::optional<uint32_t> if_known(BOOL known, ULONG value) {
  return known && value != 0 ? std::optional<uint32_t>(value) : std::nullopt;
}

}  // namespace

Identity identify_client(const Handle& pipe) {
  const Handle token = client_token(pipe);
  Identity identity = {.user_sid = detail::token_user_sid(token.get()),
                       .integrity_level = integrity_level(token.get()),
                       .elevated = false};
  TOKEN_ELEVATION elevation = {};
  DWORD size = 0;
  if (::GetTokenInformation(token.get(), TokenElevation, &elevation, sizeof(elevation), &size)) {
    identity.elevated = elevation.TokenIsElevated != 0;
  }
  return identity;
}

ProcessInfo client_process(const Handle& pipe) {
  ULONG pid = 0;
  ULONG session = 0;
  ProcessInfo info = {.pid = std::nullopt, .session = std::nullopt};
  info.pid = if_known(::GetNamedPipeClientProcessId(pipe.get(), &pid), pid);
  if (::GetNamedPipeClientSessionId(pipe.get(), &session)) info.session = session;
  return info;
}

ProcessInfo server_process(const Handle& pipe) {
  ULONG pid = 0;
  ULONG session = 0;
  ProcessInfo info = {.pid = std::nullopt, .session = std::nullopt};
  info.pid = if_known(::GetNamedPipeServerProcessId(pipe.get(), &pid), pid);
  if (::GetNamedPipeServerSessionId(pipe.get(), &session)) info.session = session;
  return info;
}

std::string account_name(const std::string& text) {
  PSID sid = nullptr;
  if (!::ConvertStringSidToSidW(detail::to_wide(text).c_str(), &sid)) return {};
  const detail::LocalMemory owner(sid);
  wchar_t name[256];
  wchar_t domain[256];
  DWORD name_size = 256;
  DWORD domain_size = 256;
  SID_NAME_USE use = SidTypeUnknown;
  if (!::LookupAccountSidW(nullptr, sid, name, &name_size, domain, &domain_size, &use)) return {};
  const std::string account = detail::to_utf8(name);
  return domain_size == 0 ? account : detail::to_utf8(domain).append("\\").append(account);
}

}  // namespace sluice::binding
