#include "ripieno/io/run/progress.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <limits>
#include <memory>

namespace ripieno::io {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

ProgressState state_at(int64_t step) {
  ProgressState state{.step = step,
                      .steps = 2'000,
                      .loss = 1.73099,
                      .validation_loss = 1.8802,
                      .units_per_s = 54'210.4,
                      .seconds_left = 12};
  return state;
}

// Collects the output of a Progress in a temporary file.
class ProgressTest : public testing::Test {
 protected:
  std::string written() {
    std::fflush(file_.get());
    std::rewind(file_.get());
    std::string text(100'000, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), file_.get()));
    return text;
  }

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_{std::tmpfile()};
};

TEST(ProgressLine, ShowsStepLossesThroughputAndRemainingTime) {
  EXPECT_EQ(plain_progress_line(state_at(1'200)),
            "step 1,200/2,000  loss 1.7310  validation 1.8802  54,210 tokens/s  0:12 left");
  EXPECT_EQ(plain_progress_line({.step = 1, .steps = 5}), "step 1/5");
}

TEST(ProgressLine, ShowsOtherMetricsAfterTheLosses) {
  auto state = state_at(1'200);
  state.metrics = {{"kl", 0.12345}, {"accuracy", 0.5}};
  EXPECT_THAT(plain_progress_line(state),
              HasSubstr("validation 1.8802  kl 0.1235  accuracy 0.5  54,210 tokens/s"));
}

TEST(ProgressLine, ShowsABarAndAPercentage) {
  EXPECT_THAT(progress_line(state_at(0), 120), HasSubstr("──────────────────────────────   0 %"));
  EXPECT_THAT(progress_line(state_at(1'000), 120),
              HasSubstr("━━━━━━━━━━━━━━━───────────────  50 %"));
  EXPECT_THAT(progress_line(state_at(1'999), 120), HasSubstr(" 99 %"));
  EXPECT_THAT(progress_line(state_at(2'000), 120),
              HasSubstr("━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100 %"));
}

TEST(ProgressLine, IsNeverWiderThanTheTerminal) {
  for (int columns = 20; columns < 150; ++columns) {
    const std::string line = progress_line(state_at(1'200), columns);
    const auto width =
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xc0) != 0x80; });
    EXPECT_LE(width, columns) << line;
    EXPECT_THAT(line, StartsWith("step 1,200/2,000"));
  }
}

TEST_F(ProgressTest, HasTheLastStepOnce) {
  Progress progress(file_.get(), /*terminal=*/false);
  progress.update({.step = 1, .steps = 1, .loss = 2});
  progress.update({.step = 1, .steps = 1, .loss = 2, .validation_loss = 3});
  progress.finish();
  EXPECT_EQ(written(), "step 1/1  loss 2.0000  validation 3.0000\n");
}

TEST_F(ProgressTest, IsRedrawnOnATerminalAndEndsWithTheLastState) {
  {
    Progress progress(file_.get(), /*terminal=*/true);
    for (int64_t step = 1; step <= 100; ++step) progress.update(state_at(step));
  }
  const std::string text = written();
  EXPECT_THAT(text, StartsWith("\r\x1b[Kstep 1/2,000"));
  EXPECT_THAT(text, HasSubstr("\r\x1b[Kstep 100/2,000"));
  EXPECT_THAT(text, EndsWith("\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST_F(ProgressTest, WritesPlainLinesWithoutATerminal) {
  {
    Progress progress(file_.get(), /*terminal=*/false, /*plain_seconds=*/3'600);
    for (int64_t step = 1; step <= 100; ++step) progress.update(state_at(step));
  }
  EXPECT_EQ(written(),
            plain_progress_line(state_at(1)) + "\n" + plain_progress_line(state_at(100)) + "\n");
}

TEST_F(ProgressTest, WritesANoteAboveTheLine) {
  Progress progress(file_.get(), /*terminal=*/true);
  progress.update(state_at(1));
  progress.note("saved step 1");
  EXPECT_THAT(written(), HasSubstr("\r\x1b[Ksaved step 1\nstep 1/2,000"));
}

TEST_F(ProgressTest, WritesNothingIfItWasNotUpdated) {
  { Progress progress(file_.get(), /*terminal=*/true); }
  EXPECT_EQ(written(), "");
}

TEST(TimeLeft, IsEstimatedFromTheRateSinceTheFirstStep) {
  TimeLeft left;
  const auto start = TimeLeft::Clock::time_point{};
  EXPECT_EQ(left.after(1'001, 2'000, start), std::nullopt);
  EXPECT_EQ(left.after(1'001, 2'000, start), std::nullopt);
  EXPECT_DOUBLE_EQ(left.after(1'101, 2'001, start + std::chrono::seconds(10)).value(), 90);
}

TEST(Numbers, AreFormattedWithSeparators) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1'000), "1,000");
  EXPECT_EQ(with_thousands(-1'234'567), "-1,234,567");
  EXPECT_EQ(with_thousands(INT64_MIN), "-9,223,372,036,854,775,808");
  EXPECT_EQ(rounded_with_thousands(-1234.6), "-1,235");
  EXPECT_EQ(rounded_with_thousands(1e308), "1e+308");
  EXPECT_EQ(loss_text(1.23456), "1.2346");
  EXPECT_EQ(loss_text(-1e308), "-1e+308");
  EXPECT_EQ(loss_text(-std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(clock_time(8.2), "0:09");
  EXPECT_EQ(clock_time(754), "12:34");
  EXPECT_EQ(clock_time(3'723), "1:02:03");
}

}  // namespace
}  // namespace ripieno::io
