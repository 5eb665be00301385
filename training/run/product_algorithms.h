// The matrix product algorithms that were measured to be fastest on a GPU. Their results differ in
// the last bits, so the choices are saved in checkpoints and all ranks use the same ones.
//
// Without a GPU, and in strict and deterministic runs, nothing is saved, shared or restored: those
// use the heuristics of the library, which depend only on the device and the library versions.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/io/files/json.h"

namespace ripieno {

// Access to the choices of a process (kernels/matmul_algorithms.h).
struct ProductAlgorithms {
  std::function<std::string()> text;
  std::function<void(std::string_view)> take;

  static ProductAlgorithms of_this_process();
};

// For each product, all ranks take the algorithm of the lowest rank that has one: rank 0's for all
// products that it computes. A collective.
void share_product_algorithms(distributed::Communicator& ranks,
                              const ProductAlgorithms& mine = ProductAlgorithms::of_this_process());

// Adds the choices of this process, if there are any, to a training state that will be saved.
void keep_product_algorithms(nlohmann::json& training_state);
// Uses the choices in a training state from now on. Throws DataError if they are not a string.
void restore_product_algorithms(const nlohmann::json& training_state);

}  // namespace ripieno
