// The distributions of parameters and gradients after a step, for event files.
#pragma once

#include <vector>

#include "ripieno/core/optim/optimizer.h"
#include "ripieno/training/metrics/metrics_exporter.h"

namespace ripieno {

// "weights/NAME" and "gradients/NAME" of each parameter of the optimizer, whose step was the last.
// Gradients are those that it applied: means over the batch, after clipping. There are none if
// ranks share the optimizer state, since then no rank has all of them. Waits for the device.
std::vector<MetricsExporter::TaggedHistogram> tensor_histograms(const optim::Optimizer& optimizer);

}  // namespace ripieno
