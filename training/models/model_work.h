// ModelWork: what one sample costs in a training step of a model: arithmetic, and tensors that are
// kept for the backward. For planning.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ripieno {

struct ModelWork {
  // `times` linear layers: per sample, (rows, inputs) x (inputs, outputs). The backward has another
  // product of that size for the weight's gradient, and one for the input's.
  struct Product {
    int64_t rows = 0, inputs = 0, outputs = 0;
    int64_t times = 1;
    bool has_input_gradient = true;
    bool is_recomputed = false;      // its forward runs again in the backward
    bool is_all_in_forward = false;  // the forward computes the gradients, too
  };
  // `times` layers of causal attention over `time` positions.
  struct Attention {
    int64_t time = 0, channels = 0;
    int64_t times = 1;
    bool is_recomputed = false;
  };
  // `times` tensors per micro-batch that the forward keeps for the backward, of `elements` for each
  // sample.
  struct Kept {
    int64_t elements = 0;
    int64_t times = 1;
    bool is_float32 = false;  // otherwise of the element type of the parameters
  };

  std::string unit = "samples";  // what rates count
  int64_t units = 1;             // per sample
  std::vector<Product> products = {};
  std::vector<Attention> attention = {};
  std::vector<Kept> kept = {};
  std::vector<Kept> in_backward = {};  // beside `kept`, at the peak of the backward
  int64_t float32_per_batch = 0;       // elements kept whatever the number of samples
  int64_t logits_per_row = 0;          // of a loss that is computed in chunks of rows; 0: it is not
  int64_t rows_of_logits = 0;          // per sample
  bool ties_embedding = false;         // the loss uses the first tensor of the layout, too
  double element_wise_passes = 0;      // elements that element-wise work reads or writes
  int64_t bytes_of_batch = 0;          // of the loaded inputs and targets
};

}  // namespace ripieno
