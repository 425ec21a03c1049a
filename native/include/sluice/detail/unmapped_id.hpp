// Ids that stand for everybody whom this user namespace does not know (user_namespaces(7)).
//
// In a namespace without a mapping, or with one of few ids, all others look alike: 65534, the
// overflow id. It is nobody's, so that two who have it are not the same user. Where every id is
// mapped, as outside of containers, it is an id as any other.
#pragma once

#include <sys/types.h>

namespace sluice::detail {

bool is_unmapped_user(uid_t uid);
bool is_unmapped_group(gid_t gid);

}  // namespace sluice::detail

#if defined(__linux__)
#include "sluice/detail/unmapped_id_linux.hpp"  // IWYU pragma: export
#else
namespace sluice::detail {

inline bool is_unmapped_user(uid_t) {
  return false;
}
inline bool is_unmapped_group(gid_t) {
  return false;
}

}  // namespace sluice::detail
#endif
