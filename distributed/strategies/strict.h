// Strict: the strategy of strict mode: results are bitwise identical on any number of ranks and
// threads (strict_backward.h).
#pragma once

#include "ripieno/distributed/strategies/strategy.h"
#include "ripieno/distributed/strategies/strict_backward.h"

namespace ripieno::distributed {

class Strict final : public Strategy {
 public:
  // Throws ConfigurationError if there are fewer slots than ranks.
  Strict(const Replica& replica, int slots);

  // Not supported: throws Error, since strict mode cuts the batch into slots itself.
  void backward(const Loss& loss, bool more) override;
  // Calls loss_of from several threads at the same time, each for one slot.
  void backward(int64_t rows, const LossOf& loss_of) override;
  // Not supported: throws Error, since each rank has at least one slot.
  void backward_without_rows() override;
  Loss finish_gradients() override { return backward_.finish(); }

  Arena& gradients() override { return replica_.parameters().gradients(); }
  void report(MemoryReport& report) override;
  int slots() const override { return backward_.slots(); }
  std::string description() const override { return backward_.description(); }
  std::string obstacle_to_replay() const override {
    return "parallel.strict: several threads compute its slots";
  }

 private:
  Replica replica_;
  StrictBackward backward_;
};

}  // namespace ripieno::distributed
