// Model sizes that are valid one by one, but together give too many parameters.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/core/error.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/mlp.h"

namespace ripieno::nn {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(GptSizes, WithTooManyParametersAreRejectedBeforeAllocation) {
  constexpr int64_t kMax = 1 << 20;
  EXPECT_THAT(
      [] {
        Gpt({.vocab = 1 << 30, .layers = kMax, .heads = 1, .channels = kMax, .context = kMax});
      },
      ThrowsMessage<ConfigurationError>(AllOf(HasSubstr("layers=1048576, channels=1048576"),
                                              HasSubstr("1.38e+19 parameters, more than"))));
  EXPECT_THROW(Gpt({.vocab = int64_t{1} << 40, .layers = 1, .heads = 1, .channels = kMax}),
               ConfigurationError);
}

TEST(MlpSizes, WithTooManyParametersAreRejected) {
  EXPECT_THAT(
      [] {
        Mlp({784, int64_t{1} << 32, int64_t{1} << 32, 10});
      },
      ThrowsMessage<ConfigurationError>(
          HasSubstr("sizes 784, 4294967296, 4294967296, 10 give 1.84e+19")));
}

}  // namespace
}  // namespace ripieno::nn
