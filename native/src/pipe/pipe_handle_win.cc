#include "pipe/pipe_handle_win.hpp"

#include <string>
#include <utility>

#include "core/arguments.hpp"
#include "core/byte_view.hpp"
#include "core/environment.hpp"
#include "core/errors.hpp"
#include "sluice/detail/security_win.hpp"

namespace sluice::binding {
namespace {

// The rights that a client needs, and no more: GENERIC_WRITE holds the right to make instances,
// which only the server's own user has.
constexpr DWORD kClientAccess =
    FILE_GENERIC_READ | (FILE_GENERIC_WRITE & ~static_cast<DWORD>(FILE_APPEND_DATA));

DWORD to_u32(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::Number>().Uint32Value();
}

bool to_bool(const Napi::Object& options, const char* name) {
  return options.Get(name).As<Napi::Boolean>();
}

struct Opened {
  Handle handle;
  bool message_type;
};

// options: { first, rejectRemote, message, maxInstances, inBufferSize, outBufferSize }
Opened create_instance(const std::string& path, const std::string& sddl,
                       const Napi::Object& options) {
  detail::SecurityAttributes security(sddl);
  const bool message = to_bool(options, "message");
  DWORD open_mode = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED;
  if (to_bool(options, "first")) open_mode |= FILE_FLAG_FIRST_PIPE_INSTANCE;
  // Messages are read as such: in byte mode a message without bytes, the end of the stream, could
  // vanish between two others.
  DWORD mode =
      message ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE : PIPE_TYPE_BYTE | PIPE_READMODE_BYTE;
  if (to_bool(options, "rejectRemote")) mode |= PIPE_REJECT_REMOTE_CLIENTS;
  Handle handle(::CreateNamedPipeW(
      detail::to_wide(path).c_str(), open_mode, mode, to_u32(options, "maxInstances"),
      to_u32(options, "outBufferSize"), to_u32(options, "inBufferSize"), 0, security.get()));
  if (!handle.valid()) {
    throw detail::windows_error("CreateNamedPipe", ::GetLastError(), "cannot listen on", path);
  }
  return {std::move(handle), message};
}

Opened open_client(const std::string& path, DWORD impersonation) {
  Handle handle(
      ::CreateFileW(detail::to_wide(path).c_str(), kClientAccess, 0, nullptr, OPEN_EXISTING,
                    FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | impersonation, nullptr));
  if (!handle.valid()) {
    throw detail::windows_error("CreateFile", ::GetLastError(), "cannot connect to", path);
  }
  DWORD flags = 0;
  if (!::GetNamedPipeInfo(handle.get(), &flags, nullptr, nullptr, nullptr)) {
    throw detail::windows_error("GetNamedPipeInfo", ::GetLastError(), "cannot connect to", path);
  }
  const bool message = (flags & PIPE_TYPE_MESSAGE) != 0;
  DWORD mode = message ? PIPE_READMODE_MESSAGE : PIPE_READMODE_BYTE;
  if (!::SetNamedPipeHandleState(handle.get(), &mode, nullptr, nullptr)) {
    throw detail::windows_error("SetNamedPipeHandleState", ::GetLastError(), "cannot connect to",
                                path);
  }
  return {std::move(handle), message};
}

Opened open_pipe(const Napi::CallbackInfo& info) {
  const std::string path = info[0].As<Napi::String>();
  if (info[1].IsNumber()) {
    return open_client(path, info[1].As<Napi::Number>().Uint32Value());
  }
  return create_instance(path, info[1].As<Napi::String>(), info[2].As<Napi::Object>());
}

Napi::Value to_javascript(Napi::Env env, const std::optional<uint32_t>& number) {
  return number ? Napi::Value(Napi::Number::New(env, *number)) : env.Undefined();
}

}  // namespace

void PipeHandle::define(Napi::Env env, Napi::Object exports) {
  exports.Set("PipeHandle",
              DefineClass(env, "PipeHandle",
                          {
                              InstanceMethod<&PipeHandle::connect>("connect"),
                              InstanceMethod<&PipeHandle::read>("read"),
                              InstanceMethod<&PipeHandle::write>("write"),
                              InstanceMethod<&PipeHandle::take>("take"),
                              InstanceMethod<&PipeHandle::identify>("identify"),
                              InstanceMethod<&PipeHandle::cancel>("cancel"),
                              InstanceMethod<&PipeHandle::disconnect>("disconnect"),
                              InstanceMethod<&PipeHandle::close>("close"),
                              InstanceMethod<&PipeHandle::id>("id"),
                              InstanceMethod<&PipeHandle::message_type>("messageType"),
                              InstanceMethod<&PipeHandle::owner>("owner"),
                              InstanceMethod<&PipeHandle::identity>("identity"),
                              InstanceMethod<&PipeHandle::process>("process"),
                          }));
}

PipeHandle::PipeHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PipeHandle>(info) {
  guarded(info.Env(), [&] {
    Opened opened = open_pipe(info);
    port_ = Environment::of(info.Env()).shared_part<CompletionPort>();
    pipe_ = port_->add(std::move(opened.handle), opened.message_type);
  });
}

PipeHandle::~PipeHandle() {
  if (pipe_) port_->close(*pipe_);
}

Pipe& PipeHandle::require_open() const {
  if (!pipe_) throw Error(error_code::kClosed, "the pipe is closed");
  return *pipe_;
}

Napi::Value PipeHandle::connect(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), static_cast<double>(port_->connect(require_open())));
  });
}

Napi::Value PipeHandle::read(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(
        info.Env(),
        static_cast<double>(port_->read(require_open(), static_cast<size_t>(to_u64(info[0])))));
  });
}

Napi::Value PipeHandle::write(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    Pipe& pipe = require_open();
    const auto bytes = bytes_from(info.Env(), info[0]);
    const int64_t outcome = bytes ? port_->write(pipe, *bytes) : ERROR_INVALID_USER_BUFFER;
    return Napi::Number::New(info.Env(), static_cast<double>(outcome));
  });
}

Napi::Value PipeHandle::take(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Operation& read = require_open().operation(PipeEvent::kRead);
    return Napi::Buffer<std::byte>::Copy(info.Env(), read.buffer.data(), read.transferred);
  });
}

void PipeHandle::identify(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] { port_->identify(require_open()); });
}

void PipeHandle::cancel(const Napi::CallbackInfo& info) {
  if (!pipe_) return;
  port_->cancel(*pipe_, static_cast<PipeEvent>(info[0].As<Napi::Number>().Uint32Value()));
}

// Throws the client out, together with the bytes that it has not read, so that the instance can be
// used again.
Napi::Value PipeHandle::disconnect(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const BOOL done = ::DisconnectNamedPipe(require_open().handle().get());
    return Napi::Number::New(info.Env(), done ? ERROR_SUCCESS : ::GetLastError());
  });
}

// close(): true when it is closed, false when an event will say so.
Napi::Value PipeHandle::close(const Napi::CallbackInfo& info) {
  bool closed = true;
  if (pipe_) closed = port_->close(*std::exchange(pipe_, nullptr));
  return Napi::Boolean::New(info.Env(), closed);
}

Napi::Value PipeHandle::id(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::Number::New(info.Env(), static_cast<double>(require_open().id()));
  });
}

Napi::Value PipeHandle::message_type(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return Napi::Boolean::New(info.Env(), require_open().message_type()); });
}

Napi::Value PipeHandle::owner(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return Napi::String::New(info.Env(), detail::owner_sid(require_open().handle(), "the pipe"));
  });
}

Napi::Value PipeHandle::identity(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&]() -> Napi::Value {
    const std::optional<Identity>& identity = require_open().identity;
    if (!identity) return env.Undefined();
    Napi::Object object = Napi::Object::New(env);
    object.Set("userSid", identity->user_sid);
    object.Set("integrityLevel", identity->integrity_level);
    object.Set("elevated", identity->elevated);
    return object;
  });
}

Napi::Value PipeHandle::process(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return guarded(env, [&] {
    const Handle& handle = require_open().handle();
    const ProcessInfo process =
        info[0].As<Napi::Boolean>() ? server_process(handle) : client_process(handle);
    Napi::Object object = Napi::Object::New(env);
    object.Set("pid", to_javascript(env, process.pid));
    object.Set("sessionId", to_javascript(env, process.session));
    return object;
  });
}

}  // namespace sluice::binding
