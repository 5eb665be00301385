// A check that optimizers make before their first step, set by a layer above: Session refuses
// programs in which every rank would train a model of its own.
#pragma once

#include <functional>

namespace ripieno::optim {

// The check of this thread; empty: none. What it throws, the step throws, before anything changes.
inline std::function<void()>& first_step_check() {
  thread_local std::function<void()> check;
  return check;
}

}  // namespace ripieno::optim
