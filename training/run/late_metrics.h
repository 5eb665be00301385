// LateMetrics: metrics of steps whose values are still being copied from the device. Used by Run.
//
// On a GPU, the loss and the scalars of a step are copied to pinned memory after its work, and its
// line of metrics is written some steps later, when they have arrived. The host does not wait for
// them unless kMostPending steps are pending. On the CPU they are available immediately.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "ripieno/core/device/device.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/io/run/metrics.h"

namespace ripieno {

class LateMetrics {
 public:
  static constexpr std::size_t kMostPending = 10;

  // A step whose values have arrived.
  struct Arrived {
    double loss = 0;             // mean over all ranks
    bool loss_is_finite = true;  // also if it covers no targets
    bool gradient_is_finite = true;
    int64_t skips = kernels::kTakesStep;  // why the optimizer skipped the step
    double gradient_norm = 0;
    bool is_logged = true;
    bool scales_loss = false, skips_steps = false;  // the optimizer
    bool scale_is_least = false;                    // the loss scale cannot be halved any further
    io::StepMetrics line = {};  // if the step is not logged, empty except for its number
  };

  // `arrived` is called for each step, in order, on the thread that calls the methods below.
  LateMetrics(Device device, std::function<void(const Arrived&)> arrived);
  ~LateMetrics();

  // Adds the step whose work was enqueued last. Its loss and the scalars of the optimizer are
  // filled into `line` when they arrive.
  void add(io::StepMetrics line, const Loss& loss, const optim::Optimizer& optimizer,
           bool is_logged = true);
  // Calls `arrived` for the steps whose values have arrived. These two throw DataError if a kernel
  // of that step or an earlier one found ids out of range on a GPU (device_faults.h).
  void take_arrived();
  // The same for all steps; waits for their values.
  void take_all();

 private:
  struct Numbers;

  void take_oldest();
  void fill(Numbers& numbers);

  Device device_;
  std::function<void(const Arrived&)> arrived_;
  std::deque<std::unique_ptr<Numbers>> pending_;
  std::vector<std::unique_ptr<Numbers>> free_;
};

}  // namespace ripieno
