#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "fuzz/memory_file.h"
#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/training/configuration.h"

namespace ripieno::fuzz {
namespace {

struct Everything {
  Everything() {
    bind(settings, options);
    settings.add("model.hidden", &hidden, "channels per layer", Accepts::at_least(1));
    settings.add("data.path", &path, "path of a file");
  }

  void check() {
    const double rate = options.optimizer.learning_rate;
    require(std::isfinite(rate) && rate >= 0, "the learning rate is finite and not negative");
    require(options.batch_size >= 1, "the batch size is at least 1");
    for (const int64_t channels : hidden)
      require(channels >= 1, "the number of channels is at least 1");
    const nlohmann::json values = settings.values();
    Everything again;
    again.settings.restore(values);
    require(again.settings.values() == values, "settings are restored as they were");
  }

  TrainingOptions options;
  std::vector<int64_t> hidden = {16};
  std::string path;
  Settings settings;
};

}  // namespace

bool parse_settings(std::string_view bytes) {
  Everything everything;
  bool accepted = false;
  try {
    const MemoryFile file(bytes);
    everything.settings.read(file.path());
    everything.check();
    accepted = true;
  } catch (const ConfigurationError&) {
  }
  for (int lines = 0; lines < 3 && !bytes.empty(); ++lines) {
    const auto end = std::min(bytes.find('\n'), bytes.size());
    try {
      everything.settings.set(std::string(bytes.substr(0, end)));
      everything.check();
      accepted = true;
    } catch (const ConfigurationError&) {
    }
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return accepted;
}

}  // namespace ripieno::fuzz
