// Cross entropy of logits against target classes: per-row losses, their sum and count, and the
// gradient of the logits.
//
// Rows whose target is `ignored` have loss and gradient 0. A row whose target is neither `ignored`
// nor in [0, classes) has loss NaN and gradient 0.
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// Layout of a (rows, classes) matrix of logits; rows begin `stride` elements apart.
struct LogitsShape {
  int64_t rows = 0, classes = 0, stride = 0;
};

// row_losses[r] = log(sum(exp(logits[r, :]))) - logits[r, targets[r]]; 0 in ignored rows.
// row_losses, targets: (rows). log_sum_exp: (rows, 2), written for the backward, or null if there
// is no backward: the largest logit, and log(sum(exp(logits - largest))). They are stored
// separately because their sum loses precision where logits are large.
template <typename T>
void cross_entropy_forward(OnCpu, accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp,
                           const T* logits, const int32_t* targets, const LogitsShape& shape,
                           int32_t ignored);
template <typename T>
void cross_entropy_forward(OnCuda, accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp,
                           const T* logits, const int32_t* targets, const LogitsShape& shape,
                           int32_t ignored);

// Computes the same losses and overwrites the logits with `scale` times the gradient of the sum of
// the losses: scale (exp(logits[r, c]) / sum(exp(logits[r, :])) - [c == targets[r]]). The padding
// between rows is not touched.
template <typename T>
void cross_entropy_in_place(OnCpu, accumulator_t<T>* row_losses, T* logits, const int32_t* targets,
                            const LogitsShape& shape, int32_t ignored, double scale);
template <typename T>
void cross_entropy_in_place(OnCuda, accumulator_t<T>* row_losses, T* logits, const int32_t* targets,
                            const LogitsShape& shape, int32_t ignored, double scale);

// *loss_sum = sum of row_losses; *count = number of targets that are not ignored.   row_losses,
// targets: (rows).   A: float, double.
template <typename A>
void cross_entropy_sum(OnCpu, A* loss_sum, A* count, const A* row_losses, const int32_t* targets,
                       int64_t rows, int32_t ignored);
template <typename A>
void cross_entropy_sum(OnCuda, A* loss_sum, A* count, const A* row_losses, const int32_t* targets,
                       int64_t rows, int32_t ignored);

// grad_logits[r, c] = *grad_loss (softmax(logits[r, :])[c] - [c == targets[r]]); 0 in ignored rows.
// grad_logits has the layout of logits, and may alias them.
template <typename T>
void cross_entropy_backward(OnCpu, T* grad_logits, const accumulator_t<T>* grad_loss,
                            const T* logits, const int32_t* targets,
                            const accumulator_t<T>* log_sum_exp, const LogitsShape& shape,
                            int32_t ignored);
template <typename T>
void cross_entropy_backward(OnCuda, T* grad_logits, const accumulator_t<T>* grad_loss,
                            const T* logits, const int32_t* targets,
                            const accumulator_t<T>* log_sum_exp, const LogitsShape& shape,
                            int32_t ignored);

}  // namespace ripieno::kernels
