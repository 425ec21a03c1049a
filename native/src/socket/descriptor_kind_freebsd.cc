#include <fcntl.h>
#include <sys/types.h>
#include <sys/user.h>

#include "socket/descriptor_closer.hpp"
#include "socket/descriptor_kind.hpp"

namespace sluice::binding {

bool is_shared_memory(int descriptor) {
  struct kinfo_file info {};
  info.kf_structsize = sizeof(info);
  return ::fcntl(descriptor, F_KINFO, &info) == 0 && info.kf_type == KF_TYPE_SHM;
}

bool closes_at_once(int descriptor) {
  return is_shared_memory(descriptor);
}

}  // namespace sluice::binding
