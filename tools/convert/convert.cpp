#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <map>

#include "ripieno/core/error.h"
#include "ripieno/tools/byte_progress.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/convert/conversion.h"
#include "ripieno/tools/numbers.h"
#include "ripieno/tools/sources/renamed_source.h"
#include "ripieno/tools/table.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

const std::map<std::string, TargetFormat> kFormats{{"safetensors", TargetFormat::safetensors},
                                                   {"checkpoint", TargetFormat::checkpoint},
                                                   {"numpy", TargetFormat::numpy}};
const std::map<std::string, Names> kNames{{"huggingface", Names::hugging_face},
                                          {"ours", Names::ours}};

struct Options {
  std::string from, to, format, names, dtype, prefix, rename;
  std::string shard_bytes = "5000000000";
  bool all = false, averages = false, force = false, quiet = false;
};

void add_options(CLI::App& command, Options& options) {
  command
      .add_option("FROM", options.from,
                  "checkpoint, run directory (its newest checkpoint),\n"
                  "or safetensors file or directory")
      ->type_name("")
      ->required();
  command
      .add_option("TO", options.to,
                  "what to create: NAME.safetensors, one file;\n"
                  "step_<n>, a checkpoint; else a directory of the\n"
                  "format --to")
      ->type_name("")
      ->required();
  command
      .add_option("--to", options.format,
                  "safetensors (default if FROM is a checkpoint),\n"
                  "checkpoint (default if FROM is safetensors; TO is\n"
                  "a run directory), or numpy (one file per tensor)")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"safetensors", "checkpoint", "numpy"}).description(""));
  command
      .add_option("--names", options.names,
                  "huggingface: names of a GPT-2 or Llama in\n"
                  "transformers, with config.json; ours: unchanged.\n"
                  "Default: huggingface from checkpoint to\n"
                  "safetensors and back, unless the file has ours")
      ->type_name("NAMES")
      ->check(CLI::IsMember({"huggingface", "ours"}).description(""));
  command
      .add_option("--dtype", options.dtype,
                  "element type to round parameters to: float32,\n"
                  "bfloat16, float16 or float64 (default: unchanged)")
      ->type_name("TYPE");
  command
      .add_option("--shard-bytes", options.shard_bytes,
                  "largest safetensors file in a directory before it\n"
                  "is split, in bytes (default: 5000000000)")
      ->type_name("N");
  command
      .add_option("--prefix", options.prefix,
                  "convert only tensors whose names begin with TEXT,\n"
                  "and remove it from the names: 'encoder.'")
      ->type_name("TEXT");
  command
      .add_option("--rename", options.rename,
                  "rules old=new for the beginnings of names, applied\n"
                  "in order after --prefix:\n"
                  "'model.=,layers.=blocks.'")
      ->type_name("RULES");
  command.add_flag("--averages", options.averages,
                   "write the moving averages of the parameters (ema.decay) in their place");
  command.add_flag("--all", options.all,
                   "with --names ours: also convert buffers and\n"
                   "optimizer state");
  command.add_flag("--force", options.force, "overwrite TO if it exists");
  command.add_flag("--quiet", options.quiet, "print nothing but errors");
}

TargetFormat format_of(const Options& options, const TensorSource& source) {
  if (!options.format.empty()) return kFormats.at(options.format);
  if (options.to.ends_with(".safetensors")) return TargetFormat::safetensors;
  if (std::filesystem::path(options.to).filename().string().starts_with("step_"))
    return TargetFormat::checkpoint;
  return source.format == TensorSource::Format::checkpoint ? TargetFormat::safetensors
                                                           : TargetFormat::checkpoint;
}

ConversionOptions conversion_options(const Options& options, TargetFormat format) {
  ConversionOptions result{.to = format, .all = options.all, .averages = options.averages};
  if (!options.names.empty()) result.names = kNames.at(options.names);
  if (options.dtype.empty()) return result;
  result.dtype = dtype_named(options.dtype);
  if (!result.dtype)
    throw UsageError(
        fmt::format("--dtype {}: unknown element type; must be float32, bfloat16, float16 or "
                    "float64",
                    options.dtype));
  return result;
}

std::string write(const Options& options, TargetFormat format, const Conversion& conversion,
                  const Written& written) {
  io::FileSystem& files = io::local_files();
  switch (format) {
    case TargetFormat::safetensors:
      write_safetensors(files, options.to, conversion,
                        whole_number("--shard-bytes", options.shard_bytes, 1), options.force,
                        written);
      return options.to;
    case TargetFormat::numpy:
      write_numpy(files, options.to, conversion, options.force, written);
      return options.to;
    case TargetFormat::checkpoint:
      return write_checkpoint(files, options.to, conversion, options.force, written);
  }
  fail("convert: unknown target format");
}

std::unique_ptr<TensorSource> source_of(const Options& options) {
  auto source = open_source(io::local_files(), options.from);
  if (options.prefix.empty() && options.rename.empty()) return source;
  return renamed_source(std::move(source), {.prefix = options.prefix,
                                            .rename = io::renamings_from_text(options.rename)});
}

void convert(Options options) {
  while (options.to.size() > 1 && options.to.ends_with('/')) options.to.pop_back();
  whole_number("--shard-bytes", options.shard_bytes, 1);  // before anything is read
  const auto source = source_of(options);
  const TargetFormat format = format_of(options, *source);
  const Conversion conversion = plan_conversion(*source, conversion_options(options, format));
  ByteProgress progress(conversion.bytes(), options.quiet);
  const std::string path =
      write(options, format, conversion, [&](int64_t bytes) { progress.add(bytes); });
  const std::string speed = progress.finish();
  if (options.quiet) return;
  for (const std::string& name : conversion.left_out)
    fmt::print("skipped {}: redundant (a mask, a constant or a copy of another tensor)\n", name);
  fmt::print("{}: {}, {}\n", path, counted(std::ssize(conversion.targets), "tensor"), speed);
  fmt::print("{}", conversion.not_finite->text());
}

}  // namespace

void add_convert(CLI::App& app, int&) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("convert", "Converts between checkpoints, safetensors, NumPy.");
  add_options(*command, *options);
  command->callback([options] { convert(*options); });
}

}  // namespace ripieno::tools
