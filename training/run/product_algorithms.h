// The algorithms that a GPU's matrix products were measured to be fastest with: they differ in
// their last bits, so they are part of a checkpoint, and all ranks use the same.
//
// Nothing is kept, shared or restored where there is no GPU, and where only the library's guesses
// are allowed (strict and deterministic runs): those depend on the device and the versions alone.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno {

// Where a process keeps them (kernels/matmul_algorithms.h).
struct ProductAlgorithms {
  std::function<std::string()> text;
  std::function<void(std::string_view)> take;

  static ProductAlgorithms of_this_process();
};

// For each product, gives every rank the algorithm of the first rank that has one: rank 0's for
// all that it computes. A collective.
void share_product_algorithms(distributed::Communicator& ranks,
                              const ProductAlgorithms& mine = ProductAlgorithms::of_this_process());

// Adds them to a training state that is to be saved, where there are any.
void keep_product_algorithms(nlohmann::json& training_state);
// Uses those of a training state from now on. Throws DataError where they are not text.
void restore_product_algorithms(const nlohmann::json& training_state);

}  // namespace ripieno
