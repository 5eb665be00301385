#include "ripieno/distributed/gradients/power_sgd.h"

#include <fmt/format.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/linear_algebra.h"
#include "ripieno/core/place.h"
#include "ripieno/core/random.h"
#include "ripieno/kernels/matmul.h"

namespace ripieno::distributed {
namespace {

using kernels::MatmulShape;

struct MatrixSize {
  int64_t rows = 0, columns = 0;
};

MatrixSize matrix_of(const ArenaLayout::Entry& entry) {
  if (entry.shape.rank() < 2 || entry.elements == 0) return {};
  return {entry.shape[0], entry.elements / entry.shape[0]};
}

bool is_compressed(const ArenaLayout::Entry& entry, int64_t rank) {
  const MatrixSize size = matrix_of(entry);
  return size.rows > 0 && 2 * rank * (size.rows + size.columns) <= size.rows * size.columns;
}

void multiply(const Tensor& c, const Tensor& a, const Tensor& b, const MatmulShape& shape,
              bool accumulate = false) {
  const Work work{"matmul", {&a, &b, &c}, 2 * shape.batch * shape.m * shape.n * shape.k};
  run(work, c, [&]<typename T>(auto on) {
    kernels::matmul(on, c.data<T>(), a.data<T>(), b.data<T>(), shape, accumulate);
  });
}

// A compressed parameter, with views of its factors in the messages of its bucket.
struct Matrix {
  std::string name;
  int64_t begin = 0;  // offset in the arena, in elements
  int64_t rows = 0, columns = 0;
  Tensor p, q;          // (rows, rank), (columns, rank): views of the messages
  bool lost = false;    // a column of p was linearly dependent in this step
  uint64_t starts = 0;  // calls of start(), the step of its random numbers

  int64_t elements() const { return rows * columns; }
};

// A parameter that is not compressed.
struct Whole {
  int64_t begin = 0;
  Tensor values;  // (elements): a view of the first message
};

// Returns consecutive views of a message.
struct Cursor {
  Tensor message;
  int64_t begin = 0;

  Tensor next(const Shape& shape) {
    const int64_t from = std::exchange(begin, begin + shape.elements());
    return message.slice(0, from, begin).reshape(shape);
  }
};

// The messages of one bucket. The second keeps every q between steps.
struct Plan {
  std::vector<Matrix> matrices;
  std::vector<Whole> wholes;
  Tensor first, second;  // first: every p, then the wholes; second: every q
};

class PowerSgdSum final : public GradientSum {
 public:
  PowerSgdSum(const Parameters& parameters, int rank, Communicator& communicator)
      : layout_(parameters.shared_layout()),
        rank_(rank),
        communicator_(communicator),
        error_(layout_, DType::float32, parameters.values().device()) {}

  void sum(const Bucket& bucket, const Tensor& gradients) override {
    const NoGrad no_grad;
    Plan& plan = plan_of(bucket);
    const auto gradient_of = [&](int64_t begin, int64_t elements) {
      return gradients.slice(0, begin - bucket.begin, begin - bucket.begin + elements);
    };
    for (Whole& whole : plan.wholes) {
      whole.values.copy_from(gradient_of(whole.begin, whole.values.elements()));
    }
    for (const Matrix& matrix : plan.matrices) {
      multiply_by_q(matrix, gradient_of(matrix.begin, matrix.elements()));
    }
    communicator_.all_reduce(plan.first);
    for (Matrix& matrix : plan.matrices) factor(matrix);
    if (!plan.matrices.empty()) communicator_.all_reduce(plan.second);
    for (const Whole& whole : plan.wholes) {
      gradient_of(whole.begin, whole.values.elements()).copy_from(whole.values);
    }
    for (Matrix& matrix : plan.matrices) {
      reconstruct(matrix, gradient_of(matrix.begin, matrix.elements()));
    }
  }

  int64_t kept_bytes() const override { return layout_->elements() * 4; }

 private:
  // M = gradient + error feedback; p = M q.
  void multiply_by_q(const Matrix& matrix, const Tensor& gradient) {
    const Tensor m = error_of(matrix);
    add_into(m, gradient.to(DType::float32));
    multiply(matrix.p, m, matrix.q, m_times_q(matrix));
  }

  // Makes p, now summed over the ranks, orthonormal. q = M^T p; the error feedback is M - p q^T.
  void factor(Matrix& matrix) {
    Tensor p = matrix.p.to(Device::cpu());
    matrix.lost = !orthonormal_(p.data<float>(), matrix.rows, rank_);
    if (matrix.p.device().is_cuda()) matrix.p.copy_from(p);
    const Tensor m = error_of(matrix);
    multiply(matrix.q, m, matrix.p, m_transposed_times_p(matrix));
    multiply(m, -matrix.p, matrix.q, p_times_q_transposed(matrix), /*accumulate=*/true);
  }

  // gradient = p q^T, with q summed over the ranks. If p lost a column, q would keep a zero one, so
  // it is initialized again.
  void reconstruct(Matrix& matrix, Tensor gradient) {
    const bool is_float = gradient.dtype() == DType::float32;
    const Tensor whole =
        is_float ? gradient : Tensor(gradient.shape(), DType::float32, gradient.device());
    multiply(whole, matrix.p, matrix.q, p_times_q_transposed(matrix));
    if (!is_float) gradient.copy_from(whole);
    if (matrix.lost) start(matrix);
  }

  // Sets q to random numbers, the same on every rank.
  static void start(Matrix& matrix) {
    fill_normal(matrix.q, 0.0, 1.0,
                {.stream = random_stream(matrix.name), .step = matrix.starts++});
  }

  Tensor error_of(const Matrix& matrix) {
    return error_.range(matrix.begin, matrix.begin + matrix.elements());
  }

  MatmulShape m_times_q(const Matrix& matrix) const {
    return {.m = matrix.rows,
            .n = rank_,
            .k = matrix.columns,
            .lda = matrix.columns,
            .ldb = rank_,
            .ldc = rank_};
  }
  MatmulShape m_transposed_times_p(const Matrix& matrix) const {
    return {.m = matrix.columns,
            .n = rank_,
            .k = matrix.rows,
            .transpose_a = true,
            .lda = matrix.columns,
            .ldb = rank_,
            .ldc = rank_};
  }
  MatmulShape p_times_q_transposed(const Matrix& matrix) const {
    return {.m = matrix.rows,
            .n = matrix.columns,
            .k = rank_,
            .transpose_b = true,
            .lda = rank_,
            .ldb = rank_,
            .ldc = matrix.columns};
  }

  // The plan of a bucket, created on first use.
  Plan& plan_of(const Bucket& bucket) {
    const auto [found, is_new] = plans_.try_emplace({bucket.begin, bucket.end});
    if (is_new) make(found->second, bucket);
    return found->second;
  }

  void make(Plan& plan, const Bucket& bucket) {
    const auto& entries = layout_->entries();
    int64_t rows = 0, columns = 0, others = 0;
    for (auto i = bucket.first_entry; i < bucket.entries_end; ++i) {
      const MatrixSize size = matrix_of(entries[i]);
      const bool compressed = is_compressed(entries[i], rank_);
      rows += compressed ? size.rows : 0;
      columns += compressed ? size.columns : 0;
      others += compressed ? 0 : entries[i].elements;
    }
    const Device device = error_.device();
    plan.first = Tensor({rows * rank_ + others}, DType::float32, device);
    plan.second = Tensor({columns * rank_}, DType::float32, device);
    make_views(plan, bucket);
  }

  void make_views(Plan& plan, const Bucket& bucket) {
    const auto& entries = layout_->entries();
    Cursor first{plan.first}, second{plan.second};
    for (auto i = bucket.first_entry; i < bucket.entries_end; ++i) {
      const auto& entry = entries[i];
      if (!is_compressed(entry, rank_)) {
        plan.wholes.push_back({entry.offset, first.next({entry.elements})});
        continue;
      }
      const MatrixSize size = matrix_of(entry);
      plan.matrices.push_back({entry.name, entry.offset, size.rows, size.columns,
                               first.next({size.rows, rank_}), second.next({size.columns, rank_})});
      start(plan.matrices.back());
    }
  }

  std::shared_ptr<const ArenaLayout> layout_;
  int64_t rank_;
  Communicator& communicator_;
  Arena error_;  // error feedback; used for compressed parameters only
  std::map<std::pair<int64_t, int64_t>, Plan> plans_;
  OrthonormalColumns orthonormal_;
};

}  // namespace

std::unique_ptr<GradientSum> sum_by_power_sgd(const Parameters& parameters, int rank,
                                              Communicator& communicator) {
  if (rank < 1)
    throw ConfigurationError(fmt::format("power_sgd: rank must be at least 1, got {}", rank));
  return std::make_unique<PowerSgdSum>(parameters, rank, communicator);
}

int64_t power_sgd_elements(const ArenaLayout& layout, int rank) {
  int64_t sum = 0;
  for (const auto& entry : layout.entries()) {
    const MatrixSize size = matrix_of(entry);
    sum += is_compressed(entry, rank) ? rank * (size.rows + size.columns) : entry.elements;
  }
  return sum;
}

}  // namespace ripieno::distributed
