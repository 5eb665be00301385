#include "ripieno/kernels/store.h"

#include "ripieno/kernels/optimizer.h"
#include "ripieno/kernels/philox.h"

namespace ripieno::kernels {

template <typename V>
void store(OnCpu, V* out, const V& value) {
  *out = value;
}

template void store(OnCpu, StepScalars*, const StepScalars&);
template void store(OnCpu, RandomKey*, const RandomKey&);

}  // namespace ripieno::kernels
