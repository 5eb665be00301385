#include "ripieno/training/run/training_state.h"

#include <gmock/gmock.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

const Position kPosition = {.step = 3,
                            .samples = 24,
                            .optimizer_steps = 3,
                            .learning_rate = 0.125,
                            .seed = UINT64_MAX,
                            .evaluation_pending = true};

TEST(Position, ReadsBackAsItWasWritten) {
  const Position read = position_from_json(to_json(kPosition));
  EXPECT_EQ(to_json(read), to_json(kPosition));
}

TEST(Position, ReadsBackItsLossScale) {
  Position position = kPosition;
  position.loss_scale = {.scale = 0x1p-3f, .good_steps = 1999, .steps = 3, .skipped_steps = 4};
  const auto read = position_from_json(to_json(position)).loss_scale;
  EXPECT_EQ(read->scale, 0x1p-3f);
  EXPECT_EQ(read->good_steps, 1999);
  EXPECT_EQ(read->steps, 3);
  EXPECT_EQ(read->skipped_steps, 4);
  EXPECT_FALSE(position_from_json(to_json(kPosition)).loss_scale);
}

TEST(Position, IsRejectedIfAMemberIsInvalid) {
  const auto expect_rejected = [](const char* name, const nlohmann::json& value) {
    nlohmann::json state = to_json(kPosition);
    state[name] = value;
    EXPECT_THAT([&] { position_from_json(state); },
                ThrowsMessage<DataError>(HasSubstr("no valid state of a training run")))
        << name << " " << value;
  };
  for (const char* name : {"step", "samples", "optimizer_steps"}) {
    for (const nlohmann::json& value : std::initializer_list<nlohmann::json>{
             -1, 1e300, 1.0, UINT64_MAX, true, nullptr, "3", nlohmann::json::array()})
      expect_rejected(name, value);
  }
  expect_rejected("learning_rate", std::numeric_limits<double>::quiet_NaN());
  expect_rejected("learning_rate", nullptr);  // NaN is written as null
  expect_rejected("learning_rate", "1");
  expect_rejected("evaluation_pending", 2);
  expect_rejected("random", {{"seed", -1}});
  expect_rejected("random", 7);
  expect_rejected("data_fingerprint", 7);
  const auto scale = [](double value, int good_steps) {
    return nlohmann::json{{"scale", value}, {"good_steps", good_steps}, {"skipped_steps", 0}};
  };
  expect_rejected("loss_scale", scale(0.0, 0));
  expect_rejected("loss_scale", scale(1e30, 0));
  expect_rejected("loss_scale", scale(1.0, 2000));
  expect_rejected("loss_scale", 1.0);
}

TEST(Position, IsRejectedIfItIsNotAnObject) {
  for (const nlohmann::json& state : {nlohmann::json(), nlohmann::json(7), nlohmann::json::array()})
    EXPECT_THROW(position_from_json(state), DataError) << state;
}

}  // namespace
}  // namespace ripieno
