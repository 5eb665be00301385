#include "ripieno/training/run/run_options.h"

#include <gmock/gmock.h>

#include <cmath>

#include "ripieno/core/error.h"
#include "training/run/tiny_run.h"

namespace ripieno {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

void expect_rejected(const RunOptions& options, const char* message) {
  EXPECT_THAT([&] { check(options); }, ThrowsMessage<ConfigurationError>(HasSubstr(message)));
}

TEST(RunOptions, AcceptTheirDefaultsAndTheSmallestNumbers) {
  check(RunOptions{});
  check(RunOptions{.steps = 0, .checkpoint_every = 1, .keep = {.newest = 0}, .check_every = 0});
}

TEST(RunOptions, RejectNumbersThatAreTooSmall) {
  expect_rejected({.steps = -1}, "run: steps is -1; it must be at least 0");
  expect_rejected({.checkpoint_every = 0}, "checkpoint_every is 0; it must be at least 1");
  expect_rejected({.failures_per_day = -1}, "failures_per_day is -1; it must be at least 0");
  expect_rejected({.keep = {.newest = -1}}, "keep.newest is -1; it must be at least 0");
  expect_rejected({.keep = {.every = -1}}, "keep.every is -1");
  expect_rejected({.keep = {.best = -1}}, "keep.best is -1");
  expect_rejected({.evaluate_every = -1}, "evaluate_every is -1");
  expect_rejected({.evaluation_batch_size = -1}, "evaluation_batch_size is -1");
  expect_rejected({.log_every = 0}, "log_every is 0; it must be at least 1");
  expect_rejected({.check_every = -1}, "check_every is -1");
  expect_rejected({.safety = {.outlier_factor = -1}}, "safety.outlier_factor is -1");
  expect_rejected({.safety = {.outlier_factor = 1}},
                  "safety.outlier_factor is 1; it must be greater");
  expect_rejected({.safety = {.max_rollbacks = 0}},
                  "safety.max_rollbacks is 0; it must be at least 1");
}

TEST(RunOptions, RejectNumbersThatAreTooLarge) {
  expect_rejected({.steps = INT64_MAX}, "it must be at most 1000000000000");
  expect_rejected({.checkpoint_every = INT64_MAX}, "checkpoint_every");
  expect_rejected({.failures_per_day = HUGE_VAL}, "failures_per_day is inf");
}

TEST(RunOptions, RejectEmptyNames) {
  expect_rejected({.keep = {.metric = ""}}, "keep.metric is empty");
  expect_rejected({.resume = ""}, "resume is empty");
}

TEST(RunOptions, RejectAnImpossibleSchedule) {
  expect_rejected({.schedule = optim::Schedule{.kind = optim::Schedule::Kind::cosine}},
                  "schedule: steps is 0");
}

TEST(RunOptions, AreCheckedByARunOnAllRanks) {
  const TemporaryDirectory directory;
  TinyRun run{.directory = directory / "run"};
  run.options.log_every = 0;
  EXPECT_THAT([&] { run.train_on(2); }, ThrowsMessage<ConfigurationError>(HasSubstr("log_every")));
}

}  // namespace
}  // namespace ripieno
