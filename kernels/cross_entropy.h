// Cross entropy of logits against target classes: the losses of rows, their sum and count, and the
// gradient.
//
// A row whose target is `ignored` is left out. A target outside [0, classes) that is not `ignored`
// makes its row's loss NaN; the row's gradient is 0, as an ignored one's is.
#pragma once

#include <cstdint>

#include "ripieno/kernels/element_types.h"
#include "ripieno/kernels/execution.h"

namespace ripieno::kernels {

// Logits as they lie: rows begin `stride` elements apart.
struct LogitsShape {
  int64_t rows = 0, classes = 0, stride = 0;
};

// row_losses[r] = log(sum(exp(logits[r, :]))) - logits[r, targets[r]], or 0 in ignored rows.
// targets: (rows). log_sum_exp: (rows, 2), what the backward requires, or null where there is none:
// the largest logit, and log(sum(exp(logits - largest))), kept apart because their sum loses
// precision where logits are large.
template <typename T>
void cross_entropy_forward(OnCpu, accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp,
                           const T* logits, const int32_t* targets, const LogitsShape& shape,
                           int32_t ignored);
template <typename T>
void cross_entropy_forward(OnCuda, accumulator_t<T>* row_losses, accumulator_t<T>* log_sum_exp,
                           const T* logits, const int32_t* targets, const LogitsShape& shape,
                           int32_t ignored);

// The same losses; and the logits become scale (exp(logits[r, c]) / sum(exp(logits[r, :])) -
// [c == targets[r]]), `scale` times the gradient of the sum of the losses. What lies between the
// rows is left as it is.
template <typename T>
void cross_entropy_in_place(OnCpu, accumulator_t<T>* row_losses, T* logits, const int32_t* targets,
                            const LogitsShape& shape, int32_t ignored, double scale);
template <typename T>
void cross_entropy_in_place(OnCuda, accumulator_t<T>* row_losses, T* logits, const int32_t* targets,
                            const LogitsShape& shape, int32_t ignored, double scale);

// *loss_sum = the sum of row_losses; *count = the targets that are not ignored.   row_losses,
// targets: (rows).   A: float, double.
template <typename A>
void cross_entropy_sum(OnCpu, A* loss_sum, A* count, const A* row_losses, const int32_t* targets,
                       int64_t rows, int32_t ignored);
template <typename A>
void cross_entropy_sum(OnCuda, A* loss_sum, A* count, const A* row_losses, const int32_t* targets,
                       int64_t rows, int32_t ignored);

// grad_logits[r, c] = *grad_loss (softmax(logits[r, :])[c] - [c == targets[r]]).
// grad_logits lies as logits do, and may alias them.
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
