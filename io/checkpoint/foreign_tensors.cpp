#include "ripieno/io/checkpoint/foreign_tensors.h"

#include "ripieno/core/autograd.h"

namespace ripieno::io {

LoadReport load_foreign(const std::vector<Loadable>& available, const State& wanted,
                        const std::string& path, const LoadOptions& options,
                        const std::function<Tensor(std::size_t index)>& read) {
  auto [sources, report] = match(available, wanted, path, options);
  const NoGrad no_grad;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!sources[i] || wanted[i].count() == 0) continue;
    const Tensor whole = read(*sources[i]);
    Tensor part = wanted[i].part;
    const int64_t begin = wanted[i].begin, end = begin + wanted[i].count();
    part.copy_from(whole.reshape({whole.elements()}).slice(0, begin, end).reshape(part.shape()));
    report.bytes += static_cast<int64_t>(whole.bytes());
  }
  return report;
}

}  // namespace ripieno::io
