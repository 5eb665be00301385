#include "ripieno/training/run/rank_facts.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "ripieno/training/session/build_identity.h"

namespace ripieno {

std::vector<distributed::Fact> facts_of_program(Device device) {
  const auto build = build_identity();
  std::vector<distributed::Fact> facts = {{"the program's build", build.program},
                                          {"the device", device.is_cuda() ? "a GPU" : "the CPU"}};
  if (!device.is_cuda()) {
    facts.push_back({"the level of the CPU kernels", build.level});
    facts.push_back({"the build of the CPU kernels", build.kernels});
  }
  return facts;
}

std::vector<distributed::Fact> facts_of_validation(int64_t batch_size, bool has_data) {
  return {{"the validation batch size", std::to_string(batch_size)},
          {"the data held out for validation", has_data ? "some" : "none"}};
}

std::vector<distributed::Fact> facts_of(const Settings& settings) {
  std::vector<distributed::Fact> facts;
  const auto sections = settings.values();
  for (const auto& [section, keys] : sections.items()) {
    for (const auto& [name, value] : keys.items()) {
      if (name.ends_with("path") || name == "load") continue;
      facts.push_back({section + "." + name, value.dump()});
    }
  }
  return facts;
}

}  // namespace ripieno
