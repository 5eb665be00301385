// The pieces of the report's page, each a text of HTML.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/run/metric_curves.h"

namespace ripieno::io {

// Text as HTML shows it literally.
std::string escaped(std::string_view text);

// "2026-01-02 03:04:05 UTC" for "2026-01-02T03:04:05Z"; other text as it is.
std::string readable_time(std::string text);

// Steps, losses, rate: a card each.
std::string key_figures(const nlohmann::json& configuration, const MetricCurves& metrics);
// The loss over the steps, of training and validation.
std::string loss_section(const MetricCurves& metrics);
// Rate, learning rate, gradient norm and the program's own metrics over the steps: a small chart
// each, as far as there are numbers.
std::string small_charts(const MetricCurves& metrics);
// Where the time of a step goes.
std::string time_section(const MetricCurves& metrics);
std::string checkpoints_section(const std::vector<std::string>& checkpoints);
// Each start of the run, and what is known of the last one.
std::string starts_section(const nlohmann::json& starts);
std::string last_start_section(const nlohmann::json& start);
std::string configuration_section(const nlohmann::json& configuration);

}  // namespace ripieno::io
