#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/inspection.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {
namespace {

struct Options {
  std::string path, tensors;
  bool as_json = false;
};

bool is_list(const io::FileSystem& files, const std::string& path) {
  return !files.exists(path + "/" + std::string(io::kManifestName)) &&
         !path.ends_with(".safetensors") && checkpoints_below(files, path);
}

void inspect(const Options& options) {
  const io::FileSystem& files = io::local_files();
  std::string text;
  if (is_list(files, options.path)) {
    const auto checkpoints = list_checkpoints(files, *checkpoints_below(files, options.path));
    text = options.as_json ? to_json(checkpoints).dump(2) + "\n" : to_text(checkpoints);
  } else {
    const auto source = open_source(files, options.path);
    keep_matching(*source, options.tensors);
    text = options.as_json ? to_json(*source).dump(2) + "\n"
                           : to_text(*source, /*one_by_one=*/!options.tensors.empty());
  }
  std::fputs(text.c_str(), stdout);
}

}  // namespace

void add_inspect(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("inspect", "Lists tensors, or the checkpoints of a run.");
  command
      ->add_option("PATH", options->path,
                   "checkpoint, safetensors file or directory, or run\n"
                   "directory (lists its checkpoints)")
      ->type_name("")
      ->required();
  command
      ->add_option("--tensors", options->tensors,
                   "shell pattern that selects tensors by name and\n"
                   "lists each on its own line: 'blocks.0.*'")
      ->type_name("PATTERN");
  command->add_flag("--json", options->as_json, "print JSON");
  command->callback([options] { inspect(*options); });
}

}  // namespace ripieno::tools
