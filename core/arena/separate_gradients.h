// SeparateGradients: a second set of gradients for a model, so that several threads can run
// backwards through it at once, each into its own set.
#pragma once

#include "ripieno/core/arena/arena.h"
#include "ripieno/core/arena/parameters.h"
#include "ripieno/core/autograd.h"

namespace ripieno {

class SeparateGradients {
 public:
  // Gradients are written to `arena`, which must have the layout and element type of `parameters`
  // and must outlive this object. The parameters' own gradients are not changed while a Use exists,
  // and hooks of the parameters are not called.
  SeparateGradients(const Parameters& parameters, Arena& arena);
  SeparateGradients(const SeparateGradients&) = delete;
  SeparateGradients& operator=(const SeparateGradients&) = delete;

  // Redirects the gradients of this thread's backwards to the arena while it exists. They start
  // empty. A backward throws Error if it reaches a leaf that is not one of the parameters. Only one
  // thread may use an object at a time.
  class Use {
   public:
    explicit Use(SeparateGradients& gradients);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    autograd::Substitutes* before_;
  };

  // Sets to zero the gradients of parameters that no backward reached.
  void complete();
  // All gradients as a tensor (elements of the layout).
  Tensor flat() const { return arena_.flat(); }
  Tensor range(int64_t begin, int64_t end) const { return arena_.range(begin, end); }

 private:
  Arena& arena_;
  autograd::Substitutes leaves_;
};

}  // namespace ripieno
