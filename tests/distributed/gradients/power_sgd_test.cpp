#include "ripieno/distributed/gradients/power_sgd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "distributed/allocations.h"
#include "distributed/on_every_rank.h"
#include "distributed/training_job.h"
#include "ripieno/core/nn/linear.h"

namespace ripieno::distributed::testing {
namespace {

constexpr int64_t kRows = 24, kColumns = 40, kRank = 2;

// A small matrix of doubles, for the reference implementation.
struct Matrix {
  int64_t rows, columns;
  std::vector<double> values = std::vector<double>(static_cast<std::size_t>(rows * columns));
  double& at(int64_t i, int64_t j) { return values[static_cast<std::size_t>(i * columns + j)]; }
  double at(int64_t i, int64_t j) const {
    return values[static_cast<std::size_t>(i * columns + j)];
  }
};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c{a.rows, b.columns};
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < b.columns; ++j) {
      for (int64_t k = 0; k < a.columns; ++k) c.at(i, j) += a.at(i, k) * b.at(k, j);
    }
  }
  return c;
}

Matrix transposed(const Matrix& a) {
  Matrix b{a.columns, a.rows};
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < a.columns; ++j) b.at(j, i) = a.at(i, j);
  }
  return b;
}

Matrix combined(const Matrix& a, const Matrix& b, double factor) {
  Matrix c = a;
  for (std::size_t i = 0; i < c.values.size(); ++i) c.values[i] += factor * b.values[i];
  return c;
}

void orthonormalize(Matrix& p) {
  for (int64_t j = 0; j < p.columns; ++j) {
    for (int64_t before = 0; before < j; ++before) {
      double dot = 0;
      for (int64_t i = 0; i < p.rows; ++i) dot += p.at(i, j) * p.at(i, before);
      for (int64_t i = 0; i < p.rows; ++i) p.at(i, j) -= dot * p.at(i, before);
    }
    double squares = 0;
    for (int64_t i = 0; i < p.rows; ++i) squares += p.at(i, j) * p.at(i, j);
    for (int64_t i = 0; i < p.rows; ++i) p.at(i, j) /= std::sqrt(squares);
  }
}

// Algorithm 1 of the paper for all ranks at once, with sums instead of means.
struct Reference {
  Matrix q;
  std::vector<Matrix> errors;

  Matrix step(const std::vector<Matrix>& gradients) {
    std::vector<Matrix> m;
    Matrix p{kRows, kRank}, sum_q{kColumns, kRank};
    for (std::size_t rank = 0; rank < gradients.size(); ++rank) {
      m.push_back(combined(gradients[rank], errors[rank], 1.0));
      p = combined(p, product(m.back(), q), 1.0);
    }
    orthonormalize(p);
    for (std::size_t rank = 0; rank < gradients.size(); ++rank) {
      const Matrix q_of_rank = product(transposed(m[rank]), p);
      errors[rank] = combined(m[rank], product(p, transposed(q_of_rank)), -1.0);
      sum_q = combined(sum_q, q_of_rank, 1.0);
    }
    q = sum_q;
    return product(p, transposed(q));
  }
};

Matrix gradient_of(int rank, int step) {
  Matrix gradient{kRows, kColumns};
  for (std::size_t i = 0; i < gradient.values.size(); ++i) {
    const auto x = static_cast<double>(i);
    gradient.values[i] = static_cast<float>(std::sin(x * x * 0.01 + 3.0 * rank + 0.1 * step) +
                                            0.5 * std::cos(x * 0.3));
  }
  return gradient;
}

// A layer whose weight is compressed and whose bias is not.
struct PowerSgd : ::testing::Test {
  struct Rank {
    nn::Linear layer{kColumns, kRows};
    Parameters parameters = layer.parameters();
    Bucket bucket{0, parameters.layout().elements(), 0, parameters.size()};
    std::unique_ptr<GradientSum> sum;

    explicit Rank(Communicator& ranks) : sum(sum_by_power_sgd(parameters, kRank, ranks)) {}

    Tensor weight() const { return parameters.gradients().tensors()[weight_index()]; }
    Tensor bias() const { return parameters.gradients().tensors()[1 - weight_index()]; }
    std::vector<float> reduce(const std::vector<float>& gradient) {
      weight().copy_from(Tensor::of({kRows, kColumns}, gradient));
      sum->sum(bucket, parameters.gradients().flat());
      return weight().to_vector<float>();
    }
    std::vector<float> reduce(const Matrix& gradient) {
      return reduce(std::vector<float>(gradient.values.begin(), gradient.values.end()));
    }
    std::size_t weight_index() const {
      return parameters.layout().entries()[0].name == "weight" ? 0 : 1;
    }
  };

  static Matrix first_q() {
    const Tensor q({kColumns, kRank});
    fill_normal(q, 0.0, 1.0, {.stream = random_stream("weight")});
    const auto values = q.to_vector<float>();
    return {kColumns, kRank, {values.begin(), values.end()}};
  }
};

void expect_near(const std::vector<float>& result, const Matrix& expected, double tolerance) {
  double largest = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(result[i]) - expected.values[i]));
  }
  EXPECT_LT(largest, tolerance);
}

TEST_F(PowerSgd, MatchesAReferenceImplementation) {
  for (const int size : {1, 2, 3, 4}) {
    on_every_rank(size, [&](Communicator& ranks) {
      Rank mine(ranks);
      Reference reference{
          first_q(), std::vector<Matrix>(static_cast<std::size_t>(size), Matrix{kRows, kColumns})};
      for (int step = 0; step < 4; ++step) {
        std::vector<Matrix> gradients;
        for (int rank = 0; rank < size; ++rank) gradients.push_back(gradient_of(rank, step));
        const auto result = mine.reduce(gradient_of(ranks.rank(), step));
        expect_near(result, reference.step(gradients), 1e-3);
      }
    });
  }
}

TEST_F(PowerSgd, ResultsAreBitwiseEqualOnEveryRank) {
  on_every_rank(3, [](Communicator& ranks) {
    Rank mine(ranks);
    for (int step = 0; step < 3; ++step) {
      const auto result = mine.reduce(gradient_of(ranks.rank(), step));
      const Tensor first = mine.weight().clone();
      ranks.broadcast(first, 0);
      EXPECT_EQ(result, first.to_vector<float>());
    }
  });
}

TEST_F(PowerSgd, VectorsAreNotCompressed) {
  on_every_rank(3, [](Communicator& ranks) {
    Rank mine(ranks);
    mine.bias().fill(1.5);
    mine.reduce(gradient_of(0, 0));
    EXPECT_EQ(mine.bias().to_vector<float>(), std::vector<float>(kRows, 4.5f));
  });
}

TEST_F(PowerSgd, ErrorFeedbackIsAddedLater) {
  on_every_rank(2, [](Communicator& ranks) {
    Rank mine(ranks);
    const Matrix gradient = gradient_of(ranks.rank(), 0);
    const Matrix sum = combined(gradient_of(0, 0), gradient_of(1, 0), 1.0);
    Matrix total{kRows, kColumns};  // accumulated difference between the result and the exact sum
    const auto missing_after = [&](int steps) {
      for (int step = 0; step < steps; ++step) {
        const auto result = mine.reduce(gradient);
        for (std::size_t i = 0; i < result.size(); ++i) {
          total.values[i] += static_cast<double>(result[i]) - sum.values[i];
        }
      }
      double squares = 0;
      for (const double value : total.values) squares += value * value;
      return std::sqrt(squares);
    };
    const double early = missing_after(100), late = missing_after(400);
    EXPECT_LT(late, 1.5 * early) << "without error feedback it would grow with the steps";
  });
}

TEST_F(PowerSgd, AZeroGradientIsZeroAndTheNextOneIsNot) {
  on_every_rank(2, [](Communicator& ranks) {
    Rank mine(ranks);
    EXPECT_EQ(mine.reduce(Matrix{kRows, kColumns}),
              std::vector<float>(static_cast<std::size_t>(kRows * kColumns), 0.0f));
    Matrix one{kRows, kColumns};  // a matrix of rank 1, so that it is communicated exactly
    for (int64_t j = 0; j < kColumns; ++j) one.at(3, j) = 2.0;
    expect_near(mine.reduce(one), combined(one, one, 1.0), 1e-3);
    expect_near(mine.reduce(one), combined(one, one, 1.0), 1e-3);
  });
}

TEST_F(PowerSgd, NaNsPropagate) {
  on_every_rank(2, [](Communicator& ranks) {
    Rank mine(ranks);
    Matrix gradient = gradient_of(0, 0);
    if (ranks.rank() == 1) gradient.values[7] = std::numeric_limits<double>::quiet_NaN();
    const auto result = mine.reduce(gradient);
    EXPECT_TRUE(std::any_of(result.begin(), result.end(), [](float x) { return std::isnan(x); }));
  });
}

TEST_F(PowerSgd, ASteadyStepAllocatesNothing) {
  on_every_rank(2, [](Communicator& ranks) {
    Rank mine(ranks);
    const Tensor gradients = mine.parameters.gradients().flat();
    int64_t least = std::numeric_limits<int64_t>::max();
    for (int round = 0; round < 20; ++round) {
      gradients.detach().fill(1.0);
      fill_normal(mine.weight(), 0.0, 1.0, {.step = static_cast<uint64_t>(round)});
      const int64_t before = allocations();
      mine.sum->sum(mine.bucket, gradients);
      least = std::min(least, allocations() - before);
    }
    EXPECT_EQ(least, 0);
  });
}

TEST_F(PowerSgd, CountsWhatItSends) {
  nn::Linear layer{kColumns, kRows};
  EXPECT_EQ(power_sgd_elements(layer.parameters().layout(), kRank),
            kRank * (kRows + kColumns) + kRows);
  EXPECT_EQ(power_sgd_elements(layer.parameters().layout(), 20), kRows * kColumns + kRows)
      << "not compressed: the factors would not be smaller";
}

TEST_F(PowerSgd, Trains) {
  TrainingJob job{.steps = 60};
  job.options.power_sgd_rank = 1;
  for (const int size : {2, 3}) {
    on_every_rank(size, [&](Communicator& ranks) {
      const auto plain = TrainingJob{.steps = 60}.train(ranks), result = job.train(ranks);
      EXPECT_NE(result.parameters, plain.parameters);
      EXPECT_LT(result.losses.back(), 0.7 * result.losses.front());
    });
  }
}

TEST_F(PowerSgd, IsPartOfTheMemoryReport) {
  on_every_rank(2, [](Communicator& ranks) {
    nn::Mlp model({kFeatures, 16, 8, kClasses});
    optim::AdamW optimizer(model.parameters());
    DataParallel plain(model, optimizer, ranks);
    DataParallel parallel(model, optimizer, ranks, {.power_sgd_rank = 1});
    EXPECT_EQ(
        parallel.memory_report().persistent_bytes(),
        plain.memory_report().persistent_bytes() + 4 * model.parameters().layout().elements());
  });
}

TEST_F(PowerSgd, CannotBeCombinedWithOtherOptions) {
  TrainingJob job;
  job.options.power_sgd_rank = 1;
  job.options.wire = DType::bfloat16;
  EXPECT_THROW(job.train(*alone()), ConfigurationError);
  job.options.wire = DType::float32;
  job.options.diloco.steps = 10;
  EXPECT_THROW(job.train(*alone()), ConfigurationError);
}

}  // namespace
}  // namespace ripieno::distributed::testing
