// file: save_and_load.cpp
#include <ripieno/ripieno.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string>

using namespace ripieno;

int save_and_load() {
  auto& files = io::local_files();
  nn::Mlp trained({4, 8, 3});
  trained.to(Device::cpu());
  const nlohmann::json note = {{"note", "written by hand"}};
  io::save_checkpoint(files, "checkpoints", 100, state_of(trained), note,
                      {.attempt = std::to_string(std::time(nullptr))});

  const auto found = io::newest_intact(files, "checkpoints");
  for (const auto& line : found.rejected) std::fprintf(stderr, "%s\n", line.c_str());
  if (!found.path) throw DataError("checkpoints holds no intact checkpoint");
  const auto checkpoint = io::Checkpoint::open(files, *found.path);

  nn::Mlp same({4, 8, 3});
  checkpoint.load(state_of(same));  // throws ConfigurationError unless everything matches
  same.evaluate();

  nn::Mlp other_head({4, 8, 5});
  const auto report = checkpoint.load(state_of(other_head), {.strict = false});
  for (const auto& tensor : report.different) std::printf("not loaded: %s\n", tensor.c_str());
  return 0;
}

int main() { return run_program(save_and_load); }
