#include <fcntl.h>
#include <sys/types.h>
#include <sys/user.h>

#include "socket/descriptor_kind.hpp"

namespace sluice::binding {

bool is_shared_memory(int descriptor) {
  struct kinfo_file info {};
  info.kf_structsize = sizeof(info);
  return ::fcntl(descriptor, F_KINFO, &info) == 0 && info.kf_type == KF_TYPE_SHM;
}

}  // namespace sluice::binding
