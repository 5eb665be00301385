// SeparateGradients: another place for the gradients of a model, so that several threads can go
// backwards through it at once, each into a place of its own.
#pragma once

#include "ripieno/core/arena/arena.h"
#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/autograd.h"

namespace ripieno {

class SeparateGradients {
 public:
  // In `arena`, of the parameters' layout and element type, which outlives this. While they are
  // used, the parameters keep their places. Hooks of the parameters are not called.
  SeparateGradients(const Parameters& parameters, Arena& arena);
  SeparateGradients(const SeparateGradients&) = delete;
  SeparateGradients& operator=(const SeparateGradients&) = delete;

  // While one lives, this thread's backwards leave their gradients there. They begin from nothing,
  // and may reach only tensors that are parameters. One thread at a time.
  class Use {
   public:
    explicit Use(SeparateGradients& gradients);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    autograd::Substitutes* before_;
  };

  // Makes the gradients of parameters that no backward reached zero.
  void complete();
  // All of them, (elements of the layout).
  Tensor flat() const { return arena_.flat(); }
  Tensor range(int64_t begin, int64_t end) const { return arena_.range(begin, end); }

 private:
  Arena& arena_;
  autograd::Substitutes leaves_;
};

}  // namespace ripieno
