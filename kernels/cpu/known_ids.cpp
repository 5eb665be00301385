#include "ripieno/kernels/known_ids.h"

#include <algorithm>
#include <limits>

namespace ripieno::kernels {
namespace {

int32_t nearest(int64_t value) {
  using Limits = std::numeric_limits<int32_t>;
  return static_cast<int32_t>(std::clamp<int64_t>(value, Limits::min(), Limits::max()));
}

}  // namespace

template <typename Id>
void find_unknown_id(OnCpu, UnknownId* found, const Id* ids, int64_t count, int64_t bound,
                     int32_t exempt, int32_t input) {
  if (found->input != 0) return;
  for (int64_t i = 0; i < count; ++i) {
    if ((ids[i] >= 0 && ids[i] < bound) || ids[i] == exempt) continue;
    *found = {input, nearest(ids[i]), nearest(bound), nearest(i)};
    return;
  }
}

template void find_unknown_id(OnCpu, UnknownId*, const int32_t*, int64_t, int64_t, int32_t,
                              int32_t);
template void find_unknown_id(OnCpu, UnknownId*, const int64_t*, int64_t, int64_t, int32_t,
                              int32_t);

}  // namespace ripieno::kernels
