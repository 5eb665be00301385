#include "ripieno/kernels/known_ids.h"

namespace ripieno::kernels {

void find_unknown_id(OnCpu, UnknownId* found, const int32_t* ids, int64_t count, int64_t bound,
                     int32_t exempt, int32_t input) {
  if (found->input != 0) return;
  for (int64_t i = 0; i < count; ++i) {
    if ((ids[i] >= 0 && ids[i] < bound) || ids[i] == exempt) continue;
    *found = {input, ids[i], static_cast<int32_t>(bound), static_cast<int32_t>(i)};
    return;
  }
}

}  // namespace ripieno::kernels
