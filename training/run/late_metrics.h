// LateMetrics: lines of metrics whose numbers are still on their way from the device, for Run.
//
// On a GPU a step's numbers are copied to pinned memory behind its work, and its line is written
// some steps later, when they have arrived: the host waits for none, unless kMostUnderWay are under
// way. On the CPU they are there at once.
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
  static constexpr std::size_t kMostUnderWay = 10;

  // Of a step whose numbers have arrived.
  struct Arrived {
    bool loss_is_finite = true;  // or covers nothing
    bool gradient_is_finite = true;
    bool is_logged = true;
    bool scales_loss = false;
    bool scale_is_least = false;  // a smaller one than the loss's would be 0
    io::StepMetrics line = {};    // empty but for the step where it is not logged
  };

  // `arrived` is called for each step, in their order, by the thread that uses this.
  LateMetrics(Device device, std::function<void(const Arrived&)> arrived);
  ~LateMetrics();

  // The line of the step that the device was given last: its loss and what the optimizer knows of
  // it are still to be filled in.
  void add(io::StepMetrics line, const Loss& loss, const optim::Optimizer& optimizer,
           bool is_logged = true);
  // Hands on the steps that have arrived. These two throw DataError where a step, or one before it,
  // met ids out of range on a GPU (device_faults.h).
  void take_arrived();
  // Waits for all.
  void take_all();

 private:
  struct Numbers;

  void take_oldest();
  void fill(Numbers& numbers);

  Device device_;
  std::function<void(const Arrived&)> arrived_;
  std::deque<std::unique_ptr<Numbers>> under_way_;
  std::vector<std::unique_ptr<Numbers>> free_;
};

}  // namespace ripieno
