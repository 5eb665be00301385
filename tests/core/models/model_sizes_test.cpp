// The sizes that models take: each alone may be allowed, and together more than can be counted.
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

TEST(GptSizes, ThatAreTogetherTooLargeAreRefusedBeforeAnythingIsMade) {
  constexpr int64_t kMost = 1 << 20;
  EXPECT_THAT(
      [] {
        Gpt({.vocab = 1 << 30, .layers = kMost, .heads = 1, .channels = kMost, .context = kMost});
      },
      ThrowsMessage<ConfigurationError>(AllOf(HasSubstr("layers 1048576, channels 1048576"),
                                              HasSubstr("1.38e+19 parameters, of at most"))));
  EXPECT_THROW(Gpt({.vocab = int64_t{1} << 40, .layers = 1, .heads = 1, .channels = kMost}),
               ConfigurationError);
}

TEST(MlpSizes, ThatAreTogetherTooLargeAreRefused) {
  EXPECT_THAT(
      [] {
        Mlp({784, int64_t{1} << 32, int64_t{1} << 32, 10});
      },
      ThrowsMessage<ConfigurationError>(
          HasSubstr("layers of 784, 4294967296, 4294967296, 10 units make 1.84e+19")));
}

}  // namespace
}  // namespace ripieno::nn
