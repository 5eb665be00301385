// The sections of the report page, each as HTML. Not installed.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ripieno/io/files/json.h"
#include "ripieno/io/run/metric_curves.h"

namespace ripieno::io {

// Everything of a page before its sections. `brand`: the small line above the title.
std::string page_head(const std::string& title, std::string_view brand,
                      const std::string& subtitle);

// "2026-01-02 03:04:05 UTC" for "2026-01-02T03:04:05Z"; other text is returned unchanged.
std::string readable_time(std::string text);

// The small charts of a page: their headings and the metrics that they show.
inline constexpr std::pair<const char*, const char*> kSmallCharts[] = {
    {"Tokens per second", metric::kTokensPerSecond},
    {"Samples per second", metric::kSamplesPerSecond},
    {"Learning rate", metric::kLearningRate},
    {"Gradient norm", metric::kGradientNorm}};

// One card each for steps, losses, accuracy and throughput.
std::string key_figures(const nlohmann::json& configuration, const MetricCurves& metrics);
// Chart of training and validation loss.
std::string loss_section(const MetricCurves& metrics);
// A small chart each for throughput, learning rate, gradient norm and custom metrics, if they were
// measured.
std::string small_charts(const MetricCurves& metrics);
// Time per step, divided into phases.
std::string time_section(const MetricCurves& metrics);
// A table of the alerts that fired; empty if there were none.
std::string alerts_section(const MetricCurves& metrics);
std::string checkpoints_section(const std::vector<std::string>& checkpoints);
// A table of all starts of the run, and one of further facts about the last start.
std::string starts_section(const nlohmann::json& starts);
std::string last_start_section(const nlohmann::json& start);
std::string configuration_section(const nlohmann::json& configuration);

}  // namespace ripieno::io
