#include "pipe/system_handles_win.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "core/arguments.hpp"
#include "core/environment.hpp"
#include "core/errors.hpp"
#include "core/runtime_symbol.hpp"
#include "sluice/detail/ntdll_win.hpp"
#include "sluice/detail/security_win.hpp"

namespace sluice::binding {
namespace {

OwnedHandles& owned(Napi::Env env) {
  return Environment::of(env).part<OwnedHandles>();
}

HANDLE to_handle(int64_t number) {
  return reinterpret_cast<HANDLE>(static_cast<intptr_t>(number));
}

// JavaScript's from now on.
Napi::Value to_number(Napi::Env env, Handle handle) {
  return Napi::Number::New(env, static_cast<double>(owned(env).add(std::move(handle))));
}

// duplicateHandle(number): another handle to the same object.
Napi::Value duplicate(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return to_number(info.Env(), Handle::duplicate(to_system_handle(info[0])));
  });
}

// closeHandle(number)
void close(const Napi::CallbackInfo& info) {
  owned(info.Env()).close(info[0].As<Napi::Number>().Int64Value());
}

// releaseHandle(number): it is somebody else's from now on.
void release(const Napi::CallbackInfo& info) {
  owned(info.Env()).release(info[0].As<Napi::Number>().Int64Value());
}

// The name of the kind of object. Unlike GetFileType this never waits: that one does behind a read
// that somebody else has pending on a synchronous pipe, and a peer could make it wait for ever.
std::wstring type_name(HANDLE handle) {
  auto name = detail::object_text(handle, detail::kObjectTypeInformation);
  if (!name) {
    throw detail::windows_error("NtQueryObject", ERROR_INVALID_HANDLE,
                                "cannot find out what the handle is open to", "");
  }
  return std::move(*name);
}

// adoptHandle(number): takes it over.
void adopt(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    HANDLE handle = to_system_handle(info[0]);
    type_name(handle);  // throws unless it is open
    // Closed twice, it would the second time be somebody else's.
    if (owned(info.Env()).has(info[0].As<Napi::Number>().Int64Value())) {
      throw Error(error_code::kInvalidState, "the handle belongs to another SystemHandle");
    }
    owned(info.Env()).add(Handle(handle));
  });
}

// handleKind(number)
Napi::Value kind(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const std::wstring type = type_name(to_system_handle(info[0]));
    const char* name = "other";
    if (type == L"File") name = "file";
    if (type == L"Section") name = "memory";
    if (type == L"Event") name = "event";
    if (type == L"Process") name = "process";
    return Napi::String::New(info.Env(), name);
  });
}

// A descriptor of Node's on Windows is a number of its C runtime, which only Node can look up.
template <typename Function>
Function required(const char* name) {
  const auto function = reinterpret_cast<Function>(runtime_symbol(name));
  if (function == nullptr) {
    throw Error(error_code::kUnsupported, "this runtime does not tell the handles of descriptors");
  }
  return function;
}

// handleOfDescriptor(fd): the handle stays the descriptor's.
Napi::Value of_descriptor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto look_up = required<HANDLE (*)(int)>("uv_get_osfhandle");
    HANDLE handle = look_up(info[0].As<Napi::Number>().Int32Value());
    if (handle == nullptr || handle == INVALID_HANDLE_VALUE) {
      throw detail::windows_error("_get_osfhandle", ERROR_INVALID_HANDLE,
                                  "cannot find the handle of a descriptor", "");
    }
    return Napi::Number::New(info.Env(), static_cast<double>(reinterpret_cast<intptr_t>(handle)));
  });
}

// descriptorOfHandle(number): the handle is the descriptor's from now on.
Napi::Value to_descriptor(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto open = required<int (*)(HANDLE)>("uv_open_osfhandle");
    const int fd = open(to_system_handle(info[0]));
    if (fd < 0) {
      throw detail::windows_error("_open_osfhandle", ERROR_TOO_MANY_OPEN_FILES,
                                  "cannot make a descriptor of the handle", "");
    }
    owned(info.Env()).release(info[0].As<Napi::Number>().Int64Value());
    return Napi::Number::New(info.Env(), fd);
  });
}

std::string user_of(const Handle& process, const std::string& pid) {
  HANDLE token = nullptr;
  if (!::OpenProcessToken(process.get(), TOKEN_QUERY, &token)) {
    throw detail::windows_error("OpenProcessToken", ::GetLastError(),
                                "cannot find out whose process it is:", pid);
  }
  const Handle owner(token);
  return detail::token_user_sid(token);
}

// openPeerProcess(pid): the process, to take handles from. It must be this user's own, whatever
// the pipe says of its client: the process that connected may have gone, and the id be another's.
Napi::Value open_process(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const DWORD pid = info[0].As<Napi::Number>().Uint32Value();
    const std::string text = std::to_string(pid);
    Handle process(
        ::OpenProcess(PROCESS_DUP_HANDLE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid));
    if (!process.valid()) {
      throw detail::windows_error("OpenProcess", ::GetLastError(),
                                  "cannot take handles from the process", text);
    }
    if (user_of(process, text) != detail::current_user_sid()) {
      throw Error(error_code::kUntrustedOwner, "process " + text + " is another user's");
    }
    return to_number(info.Env(), std::move(process));
  });
}

// fetchHandle(process, number): a duplicate, in this process, of a handle of that process.
Napi::Value fetch(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    HANDLE copy = nullptr;
    if (!::DuplicateHandle(to_system_handle(info[0]), to_system_handle(info[1]),
                           ::GetCurrentProcess(), &copy, 0, FALSE, DUPLICATE_SAME_ACCESS)) {
      throw detail::windows_error("DuplicateHandle", ::GetLastError(),
                                  "cannot take a handle from the peer", "");
    }
    return to_number(info.Env(), Handle(copy));
  });
}

}  // namespace

OwnedHandles::~OwnedHandles() {
  for (const int64_t number : owned_) Handle closing(to_handle(number));
}

int64_t OwnedHandles::add(Handle handle) {
  const int64_t number = handle.number();
  owned_.insert(number);
  handle.release();
  return number;
}

bool OwnedHandles::has(int64_t number) const {
  return owned_.contains(number);
}

void OwnedHandles::close(int64_t number) {
  if (release(number)) Handle closing(to_handle(number));
}

bool OwnedHandles::release(int64_t number) {
  return owned_.erase(number) != 0;
}

void define_system_handles(Napi::Env env, Napi::Object exports) {
  exports.Set("adoptHandle", Napi::Function::New(env, adopt));
  exports.Set("releaseHandle", Napi::Function::New(env, release));
  exports.Set("duplicateHandle", Napi::Function::New(env, duplicate));
  exports.Set("closeHandle", Napi::Function::New(env, close));
  exports.Set("handleKind", Napi::Function::New(env, kind));
  exports.Set("handleOfDescriptor", Napi::Function::New(env, of_descriptor));
  exports.Set("descriptorOfHandle", Napi::Function::New(env, to_descriptor));
  exports.Set("openPeerProcess", Napi::Function::New(env, open_process));
  exports.Set("fetchHandle", Napi::Function::New(env, fetch));
}

}  // namespace sluice::binding
