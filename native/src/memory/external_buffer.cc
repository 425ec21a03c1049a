#include "memory/external_buffer.hpp"

#include <cstdlib>
#include <string>
#include <utility>

#include "core/environment.hpp"
#include "core/runtime_symbol.hpp"
#include "sluice/error.hpp"

namespace sluice::binding {
namespace {

// Set for tests and for runtimes that refuse ArrayBuffers over foreign memory.
struct ExternalBuffers {
  bool forbidden = std::getenv("SLUICE_NO_EXTERNAL_BUFFERS") != nullptr;
};

// A call that makes an external buffer and fails may or may not run the finalizer, now or later:
// Node 20 refuses more than 4 GiB and runs it, a sandboxed V8 refuses and does not. So the call's
// caller and the finalizer each own a part: the finalizer its `Hint`, both together the `Lease`.
// When the call fails, its caller takes the share out of the lease, and the memory goes at once. A
// finalizer that comes nevertheless finds nothing to give back; where none comes, its hint, a
// pointer's length, stays behind.
struct Lease {
  MemoryShare share;
};
using Hint = std::shared_ptr<Lease>;

// Node-API calls it on the environment's thread for an ArrayBuffer, on any for a shared one.
void drop_hint(void* hint) {
  const std::unique_ptr<Hint> dropped(static_cast<Hint*>(hint));
}

using CreateSharedBuffer = napi_status (*)(napi_env, void*, size_t, void (*)(void*, void*), void*,
                                           napi_value*);

// From Node 22.23, 24.16 and 26.1 on; older binaries do not have the symbol.
CreateSharedBuffer create_shared_buffer() {
  static const auto function = reinterpret_cast<CreateSharedBuffer>(
      runtime_symbol("node_api_create_external_sharedarraybuffer"));
  return function;
}

template <typename Create>
Napi::Value leased(Napi::Env env, MemoryShare share, size_t length, Create&& create) {
  if (Environment::of(env).part<ExternalBuffers>().forbidden) return env.Undefined();
  const auto lease = std::make_shared<Lease>(Lease{std::move(share)});
  auto hint = std::make_unique<Hint>(lease);
  napi_value buffer = nullptr;
  // Given away before the call: the finalizer may run within it.
  const napi_status status = create(hint.release(), &buffer);
  if (status == napi_ok) return {env, buffer};
  lease->share.reset();
  if (status == napi_no_external_buffers_allowed) {
    Environment::of(env).part<ExternalBuffers>().forbidden = true;
    return env.Undefined();
  }
  // Its own words about lengths name a Buffer, which nobody asked for.
  if (env.IsExceptionPending()) env.GetAndClearPendingException();
  throw Error(error_code::kUnsupported,
              "this runtime cannot make an ArrayBuffer of " + std::to_string(length) + " bytes");
}

}  // namespace

Napi::Value external_array_buffer(Napi::Env env, MemoryShare share, std::byte* data,
                                  size_t length) {
  return leased(env, std::move(share), length, [&](Hint* hint, napi_value* buffer) {
    return napi_create_external_arraybuffer(
        env, data, length, [](napi_env, void*, void* given) { drop_hint(given); }, hint, buffer);
  });
}

Napi::Value external_shared_array_buffer(Napi::Env env, MemoryShare share, std::byte* data,
                                         size_t length) {
  const auto create = create_shared_buffer();
  if (create == nullptr) return env.Undefined();
  return leased(env, std::move(share), length, [&](Hint* hint, napi_value* buffer) {
    return create(
        env, data, length, [](void*, void* given) { drop_hint(given); }, hint, buffer);
  });
}

bool has_external_array_buffers(Napi::Env env) {
  if (Environment::of(env).part<ExternalBuffers>().forbidden) return false;
  // Tried with memory that outlives everything.
  static std::byte probe[8];
  napi_value buffer = nullptr;
  const napi_status status =
      napi_create_external_arraybuffer(env, probe, sizeof(probe), nullptr, nullptr, &buffer);
  return status == napi_ok;
}

bool has_external_shared_array_buffers() {
  return create_shared_buffer() != nullptr;
}

}  // namespace sluice::binding
