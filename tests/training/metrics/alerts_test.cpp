#include "ripieno/training/metrics/alerts.h"

#include <gmock/gmock.h>

#include <cmath>
#include <vector>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using testing::HasSubstr;

std::string refusal(const std::string& rule) {
  try {
    parse_alert_rule(rule);
  } catch (const ConfigurationError& error) {
    return error.what();
  }
  return "";
}

TEST(AlertRule, HasAConditionADurationAndACommand) {
  const auto rule = parse_alert_rule(" loss >= -2.5e1 for 100 steps -> mail -s 'a -> b' me ");
  EXPECT_EQ(rule.text, "loss >= -2.5e1 for 100 steps");
  EXPECT_EQ(rule.metric, "loss");
  EXPECT_EQ(rule.comparison, AlertRule::Comparison::at_least);
  EXPECT_EQ(rule.number, -25);
  EXPECT_EQ(rule.steps, 100);
  EXPECT_EQ(rule.command, "mail -s 'a -> b' me");
  EXPECT_EQ(parse_alert_rule("seconds.total>2").steps, 1);
  EXPECT_EQ(parse_alert_rule("own.kl < 1 for 1 step").metric, "own.kl");
}

TEST(AlertRule, NamesWhatIsWrong) {
  EXPECT_THAT(refusal("los > 8"), HasSubstr("unknown metric los; did you mean loss?"));
  EXPECT_THAT(refusal("seconds.toal > 8"), HasSubstr("did you mean seconds.total?"));
  EXPECT_THAT(refusal("loss 8"), HasSubstr("found \"8\" after the metric"));
  EXPECT_THAT(refusal("loss > eight"), HasSubstr("found \"eight\""));
  EXPECT_THAT(refusal("loss > inf"), HasSubstr("a finite number"));
  EXPECT_THAT(refusal("loss > 8 for 0 steps"), HasSubstr("got 0"));
  EXPECT_THAT(refusal("loss > 8 for 1.5 steps"), HasSubstr("a whole number of steps"));
  EXPECT_THAT(refusal("loss > 8 since 9"), HasSubstr("\"for N steps\""));
  EXPECT_THAT(refusal("loss > 8 ->"), HasSubstr("no command"));
  EXPECT_THAT(refusal(""), HasSubstr("does not begin with the name of a metric"));
  EXPECT_EQ(refusal("loss\n> x").find('\n'), std::string::npos);
}

TEST(AlertRule, RefusesAMetricOfTheRunAsOneOfTheProgram) {
  EXPECT_THAT(refusal("own.loss > 8"), HasSubstr("loss is a metric of the run"));
  EXPECT_EQ(refusal("own.losses > 8"), "");
}

TEST(AlertRule, IsRecordedWithoutItsCommand) {
  EXPECT_EQ(without_command("loss > 8 -> curl -u me:secret https://x"),
            "loss > 8 -> (not recorded)");
  EXPECT_EQ(without_command("loss > 8"), "loss > 8");
  EXPECT_THAT(without_alert_commands({"train", "--set", "alerts.rules=[\"loss > 8 -> secret\"]",
                                      "--set=alerts.rules=secret", "--set", "train.seed=1"}),
              testing::ElementsAre("train", "--set", "alerts.rules=(not recorded)",
                                   "--set=alerts.rules=(not recorded)", "--set", "train.seed=1"));
}

TEST(Alerts, SayWhichMetricsHaveNotBeenSeen) {
  Alerts alerts({"loss > 8", "accuracy < 0.5"});
  EXPECT_EQ(alerts.unseen().size(), 2u);
  alerts.observe({.step = 1, .values = {{"loss", 1.0}}});
  ASSERT_EQ(alerts.unseen().size(), 1u);
  EXPECT_EQ(alerts.unseen()[0]->metric, "accuracy");
}

// The steps at which the only rule fires.
std::vector<int64_t> fires(Alerts& alerts, int64_t first, const std::vector<double>& losses) {
  std::vector<int64_t> steps;
  for (int64_t step = first; const double loss : losses) {
    const auto fired = alerts.observe({.step = step++, .values = {{"loss", loss}}});
    if (!fired.empty()) steps.push_back(fired[0].step);
  }
  return steps;
}

TEST(Alerts, FireOnceUntilTheConditionEnds) {
  Alerts alerts({"loss > 8 for 3 steps"});
  EXPECT_THAT(fires(alerts, 1, {9, 9, 7, 9, 9, 9, 9, NAN, 9, 9, 9}), testing::ElementsAre(6, 11));
}

TEST(Alerts, BeginAnewAfterARollback) {
  Alerts alerts({"loss > 8 for 3 steps"});
  EXPECT_TRUE(fires(alerts, 1, {9, 9}).empty());
  alerts.restart();
  EXPECT_THAT(fires(alerts, 2, {9, 9, 9}), testing::ElementsAre(4));
}

TEST(Alerts, IgnoreLinesWithoutTheMetric) {
  Alerts alerts({"loss > 8 for 3 steps"});
  EXPECT_TRUE(fires(alerts, 1, {9, 9}).empty());
  EXPECT_TRUE(alerts.observe({.step = 2, .values = {{"validation_loss", 1.0}}}).empty());
  EXPECT_THAT(fires(alerts, 3, {9}), testing::ElementsAre(3));
}

}  // namespace
}  // namespace ripieno
