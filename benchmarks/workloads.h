// Models for the training benchmarks, by name, each with a random batch. benchmarks/peers has the
// same ones.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/nn/module.h"
#include "ripieno/core/optim/optimizer.h"

namespace ripieno::benchmarks {

struct Workload {
  int64_t batch = 0;             // samples per step
  int64_t units_per_sample = 1;  // tokens of a sequence
  std::string unit;              // "tokens/s"
  std::shared_ptr<nn::Module> model;
  std::shared_ptr<optim::Optimizer> optimizer;
  std::function<Loss()> loss;  // of the batch
  std::function<Loss(int64_t begin, int64_t end)> loss_of_rows;

  double units() const { return static_cast<double>(batch * units_per_sample); }
};

std::vector<std::string> workload_names();
// `batch`: samples per step; 0: the default of the workload.
Workload make_workload(const std::string& name, int64_t batch, Device device, DType dtype);

}  // namespace ripieno::benchmarks
