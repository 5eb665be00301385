// The tags under which TensorBoard shows the metrics of a run, and its configuration as text.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ripieno/io/files/json.h"
#include "ripieno/io/run/metrics.h"

namespace ripieno {

// The numbers of a line by tag: "train/loss", "validation/loss", "speed/tokens_per_s",
// "progress/tokens", "time/forward", "slowest/score". Metrics of the program are in train/ or, in
// the line of a validation, in validation/.
std::vector<std::pair<std::string, double>> tagged_numbers(const io::StepMetrics& line);

// Settings by section as Markdown: a block of TOML.
std::string text_of_configuration(const nlohmann::json& configuration);

}  // namespace ripieno
