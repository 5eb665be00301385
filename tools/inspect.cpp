#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/io/data/data_format.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/data_inspection.h"
#include "ripieno/tools/inspection.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {
namespace {

struct Options {
  std::string path, tensors;
  bool as_json = false;
  DataInspectionOptions data;
  std::string format = "auto", content = "text", on_error = "stop";
};

bool is_list(const io::FileSystem& files, const std::string& path) {
  return !files.exists(path + "/" + std::string(io::kManifestName)) &&
         !path.ends_with(".safetensors") && checkpoints_below(files, path);
}

DataInspection inspection_of(const Options& options) {
  DataInspectionOptions data = options.data;
  for (const auto& [name, format] : io::data_formats()) {
    if (name == options.format) data.format = format;
  }
  if (options.content == "completion") data.fields.content = io::TextContent::completion;
  if (options.content == "messages") data.fields.content = io::TextContent::messages;
  if (options.on_error == "skip") data.on_error = io::OnDataError::skip;
  return inspect_data(options.path, data);
}

void inspect(const Options& options) {
  const io::FileSystem& files = io::local_files();
  std::string text;
  if (is_data(options.path)) {
    const DataInspection inspection = inspection_of(options);
    text = options.as_json ? to_json(inspection).dump(2) + "\n" : to_text(inspection);
  } else if (is_list(files, options.path)) {
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

void add_data_options(CLI::App& command, Options& options) {
  std::vector<std::string> formats;
  for (const auto& [name, format] : io::data_formats()) formats.push_back(name);
  command
      .add_option("--format", options.format,
                  "of a data set, as data.format (default: auto, which recognizes\n"
                  "all but nanogpt)")
      ->type_name("NAME")
      ->check(CLI::IsMember(formats));
  command
      .add_option("--tokenizer", options.data.tokenizer,
                  "of a data set: tokenizer.json, vocab.json or .tiktoken file, for\n"
                  "token files that have none, and to count the tokens of texts")
      ->type_name("FILE");
  command
      .add_option("--content", options.content,
                  "of JSON lines and Parquet: text, completion or messages\n"
                  "(default: text)")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"text", "completion", "messages"}));
  command
      .add_option("--text-field", options.data.fields.text,
                  "field or column that has the text (default: text)")
      ->type_name("NAME");
  command
      .add_option("--prompt-field", options.data.fields.prompt,
                  "field or column that has the prompt (default: prompt)")
      ->type_name("NAME");
  command
      .add_option("--completion-field", options.data.fields.completion,
                  "field or column that has the completion (default: completion)")
      ->type_name("NAME");
  command
      .add_option("--on-error", options.on_error,
                  "of a data set: stop, or skip documents that cannot be read, and\n"
                  "count them (default: stop)")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"stop", "skip"}));
  command
      .add_option("--samples", options.data.samples,
                  "of a data set: number of documents to show (default: 3)")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
}

}  // namespace

void add_inspect(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "inspect", "Lists tensors, or the checkpoints of a run; or describes a data set.");
  command
      ->add_option("PATH", options->path,
                   "checkpoint, safetensors file or directory, run directory\n"
                   "(lists its checkpoints); token file, text, JSON lines, Parquet\n"
                   "file, or a pattern of such files")
      ->type_name("")
      ->required();
  command
      ->add_option("--tensors", options->tensors,
                   "shell pattern that selects tensors by name and\n"
                   "lists each on its own line: 'blocks.0.*'")
      ->type_name("PATTERN");
  command->add_flag("--json", options->as_json, "print JSON");
  add_data_options(*command, *options);
  command->callback([options] { inspect(*options); });
}

}  // namespace ripieno::tools
