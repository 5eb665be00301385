// A matrix product library that computes nothing, and a clock; both follow a script.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/kernels/cuda/products/product_library.h"
#include "ripieno/kernels/cuda/runtime/runtime.h"

namespace ripieno::testing {

// Algorithms are identified by the first of their words.
struct Script {
  std::string identity = "device A";
  std::vector<uint64_t> offered = {1, 2, 3};       // without an epilogue
  std::vector<uint64_t> offered_fused = {11, 12};  // with an epilogue
  std::map<uint64_t, double> seconds;              // per algorithm; 1 by default
  std::set<uint64_t> failing, unfit, wrong;
  std::size_t workspace_bytes = std::size_t{128} << 20;
  bool has_memory_for_trials = true;

  // Recorded.
  double clock = 0;
  int heuristics = 0, trials = 0;
  std::vector<uint64_t> runs;
  std::vector<std::size_t> workspaces;  // of the problems
};

class ScriptedProduct final : public kernels::cuda::LibraryProduct {
 public:
  ScriptedProduct(Script& script, bool fused) : script_(script), fused_(fused) {}

  std::vector<kernels::cuda::Algorithm> candidates(int most) override {
    ++script_.heuristics;
    std::vector<kernels::cuda::Algorithm> algorithms;
    for (const uint64_t number : fused_ ? script_.offered_fused : script_.offered) {
      if (static_cast<int>(algorithms.size()) < most) algorithms.push_back({{number}});
    }
    return algorithms;
  }
  bool accepts(const kernels::cuda::Algorithm& algorithm) override {
    return !script_.unfit.contains(algorithm.words[0]);
  }
  void run(kernels::OnCuda, const kernels::cuda::Algorithm& algorithm,
           const kernels::cuda::Operands&) override {
    const uint64_t number = algorithm.words[0];
    if (script_.failing.contains(number)) {
      throw kernels::cuda::CudaError("algorithm " + std::to_string(number) + " failed");
    }
    script_.runs.push_back(number);
    script_.clock += script_.seconds.contains(number) ? script_.seconds[number] : 1.0;
  }

 private:
  Script& script_;
  bool fused_;
};

class ScriptedTrial final : public kernels::cuda::Trial {
 public:
  explicit ScriptedTrial(Script& script) : script_(script) {}
  void expect(const kernels::cuda::Work& steps) override {
    steps({}, {});
    expects_steps_ = true;
  }
  std::string difference(const kernels::cuda::Work& work) override {
    work({}, {});
    if (!script_.wrong.contains(script_.runs.back())) return "";
    return expects_steps_ ? "3 of 128 elements" : "2 of 16 columns";
  }
  double seconds(const kernels::cuda::Work& work) override {
    const double start = script_.clock;
    work({}, {});
    return script_.clock - start;
  }

 private:
  Script& script_;
  bool expects_steps_ = false;
};

class ScriptedLibrary final : public kernels::cuda::ProductLibrary {
 public:
  explicit ScriptedLibrary(Script& script) : script_(script) {}
  std::string identity() override { return script_.identity; }
  std::size_t workspace_bytes() override { return script_.workspace_bytes; }
  std::unique_ptr<kernels::cuda::LibraryProduct> product(
      const kernels::cuda::ProductProblem& problem) override {
    script_.workspaces.push_back(problem.workspace_bytes);
    return std::make_unique<ScriptedProduct>(script_,
                                             problem.epilogue != kernels::cuda::Epilogue::kNone);
  }
  std::unique_ptr<kernels::cuda::Trial> trial(kernels::OnCuda,
                                              const kernels::cuda::ProductProblem&) override {
    if (!script_.has_memory_for_trials) throw kernels::cuda::CudaError("out of memory");
    ++script_.trials;
    return std::make_unique<ScriptedTrial>(script_);
  }

 private:
  Script& script_;
};

}  // namespace ripieno::testing
