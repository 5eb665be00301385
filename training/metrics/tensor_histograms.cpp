#include "ripieno/training/metrics/tensor_histograms.h"

#include "ripieno/core/autograd.h"
#include "ripieno/core/device/device.h"
#include "ripieno/core/dtype.h"

namespace ripieno {
namespace {

io::Histogram histogram_of(const Tensor& tensor, double scale = 1) {
  const Tensor values = tensor.to(Device::cpu()).to(DType::float32).dense();
  const auto elements = static_cast<std::size_t>(values.elements());
  return io::histogram_of({values.data<float>(), elements}, scale);
}

double gradient_scale(const Tensor& step_scalars) {
  if (!step_scalars.defined()) return 1;
  const Tensor scalars = step_scalars.to(Device::cpu());
  return double{static_cast<const kernels::StepScalars*>(scalars.raw_data())->gradient_scale};
}

}  // namespace

std::vector<MetricsExporter::TaggedHistogram> tensor_histograms(const optim::Optimizer& optimizer) {
  const NoGrad no_grad;
  std::vector<MetricsExporter::TaggedHistogram> histograms;
  const Parameters& parameters = optimizer.parameters();
  for (const auto& [name, tensor] : parameters)
    histograms.push_back({"weights/" + name, histogram_of(tensor)});
  const double scale = gradient_scale(optimizer.step_scalars());
  if (optimizer.is_sharded() || !(scale > 0)) return histograms;
  const auto& gradients = parameters.gradients().tensors();
  for (std::size_t i = 0; const auto& [name, tensor] : parameters) {
    const Tensor& gradient = gradients[i++];
    if (tensor.requires_gradient())
      histograms.push_back({"gradients/" + name, histogram_of(gradient, scale)});
  }
  return histograms;
}

}  // namespace ripieno
