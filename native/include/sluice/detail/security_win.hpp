// Rights and owners of objects: who may use one made here, and who made one that was found.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/detail/handle_win.hpp"

namespace sluice::detail {

struct LocalFreer {
  void operator()(void* memory) const { ::LocalFree(memory); }
};
using LocalMemory = std::unique_ptr<void, LocalFreer>;

inline std::string sid_to_string(PSID sid) {
  LPWSTR text = nullptr;
  if (sid == nullptr || !::ConvertSidToStringSidW(sid, &text)) return {};
  const LocalMemory owner(text);
  return to_utf8(text);
}

// A variable-length piece of information of a token; empty when it cannot be had.
inline std::vector<std::byte> token_information(HANDLE token, TOKEN_INFORMATION_CLASS kind) {
  DWORD size = 0;
  ::GetTokenInformation(token, kind, nullptr, 0, &size);
  std::vector<std::byte> bytes(size);
  if (size == 0 || !::GetTokenInformation(token, kind, bytes.data(), size, &size)) return {};
  return bytes;
}

inline std::string token_user_sid(HANDLE token) {
  const std::vector<std::byte> bytes = token_information(token, TokenUser);
  if (bytes.empty()) return {};
  return sid_to_string(reinterpret_cast<const TOKEN_USER*>(bytes.data())->User.Sid);
}

// The process's user: a thread that impersonates somebody must not make objects of theirs.
inline std::string current_user_sid() {
  HANDLE token = nullptr;
  if (!::OpenProcessToken(::GetCurrentProcess(), TOKEN_QUERY, &token)) {
    throw windows_error("OpenProcessToken", ::GetLastError(), "cannot find out the current user",
                        "");
  }
  const Handle owner(token);
  std::string sid = token_user_sid(token);
  if (sid.empty()) {
    throw windows_error("GetTokenInformation", ::GetLastError(), "cannot find out the current user",
                        "");
  }
  return sid;
}

// The default for everything: this user and the system, nobody else. The owner is named, because
// the objects of an elevated administrator would otherwise belong to all administrators.
inline const std::string& private_sddl() {
  static const std::string sddl = [] {
    const std::string user = current_user_sid();
    return "O:" + user + "D:P(A;;GA;;;" + user + ")(A;;GA;;;SY)";
  }();
  return sddl;
}

// A security descriptor, as the calls that make objects want it. No child inherits the handle.
class SecurityAttributes {
 public:
  explicit SecurityAttributes(const std::string& sddl) {
    PSECURITY_DESCRIPTOR descriptor = nullptr;
    if (!::ConvertStringSecurityDescriptorToSecurityDescriptorW(
            to_wide(sddl).c_str(), SDDL_REVISION_1, &descriptor, nullptr)) {
      throw Error(error_code::kInvalidArgument,
                  "'" + sddl + "' is no security descriptor (SDDL): " + describe(::GetLastError()));
    }
    descriptor_.reset(descriptor);
    attributes_.nLength = sizeof(attributes_);
    attributes_.lpSecurityDescriptor = descriptor;
    attributes_.bInheritHandle = FALSE;
  }

  SECURITY_ATTRIBUTES* get() { return &attributes_; }

 private:
  LocalMemory descriptor_;
  SECURITY_ATTRIBUTES attributes_ = {};
};

// The owner of an open kernel object (a section, a pipe).
inline std::string owner_sid(const Handle& handle, const std::string& address) {
  PSID owner = nullptr;
  PSECURITY_DESCRIPTOR descriptor = nullptr;
  const DWORD code = ::GetSecurityInfo(handle.get(), SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION,
                                       &owner, nullptr, nullptr, nullptr, &descriptor);
  if (code != ERROR_SUCCESS) {
    throw windows_error("GetSecurityInfo", code, "cannot find out the owner of", address);
  }
  const LocalMemory free_at_exit(descriptor);
  return sid_to_string(owner);
}

inline constexpr const char* kSystemSid = "S-1-5-18";
inline constexpr const char* kAdministratorsSid = "S-1-5-32-544";

}  // namespace sluice::detail
