#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/step_directory.h"
#include "ripieno/tools/byte_progress.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/not_finite.h"
#include "ripieno/tools/sources/tensor_source.h"
#include "ripieno/training/session/exit_status.h"

namespace ripieno::tools {
namespace {

struct Options {
  std::string path;
  bool quiet = false;
};

// Throws if it is damaged.
void verify_checkpoint(const io::FileSystem& files, const std::string& path, bool quiet) {
  const auto checkpoint = io::Checkpoint::open(files, path);
  ByteProgress progress(checkpoint.bytes(), quiet);
  NotFinite not_finite;
  progress.reach(
      checkpoint.verify({.progress = [&](int64_t bytes) { progress.reach(bytes); },
                         .on_not_finite = [&](const auto& tensor,
                                              int64_t count) { not_finite.add(tensor, count); }}));
  const std::string speed = progress.finish();
  if (quiet) return;
  fmt::print("{} is intact{}: {}\n{}", path,
             not_finite.empty() ? "" : ", but has NaN or infinite elements", speed,
             not_finite.text());
}

void verify_safetensors(const TensorSource& source, bool quiet) {
  NotFinite not_finite;
  for (std::size_t i = 0; i < source.tensors.size(); ++i)
    not_finite.scan(source.tensors[i].name, source.read(i));
  if (!quiet)
    fmt::print("{}: the file size matches the header; safetensors have no checksums to verify\n{}",
               source.path, not_finite.text());
}

// Every checkpoint that a run could resume from. Reports each damaged one on stderr and continues;
// returns the exit status of the first.
int verify_all(const io::FileSystem& files, const std::string& directory, bool quiet) {
  int status = 0;
  bool is_empty = true;
  for (const std::string& path : io::candidates_in(files, directory)) {
    is_empty = false;
    try {
      verify_checkpoint(files, path, quiet);
    } catch (const Error& error) {
      if (io::has_vanished(files, path)) continue;
      fmt::print(stderr, "ripieno: {}\n", error.what());
      if (status == 0) status = static_cast<int>(exit_status_of(error));
    }
  }
  if (is_empty) throw DataError(directory + ": there is no whole checkpoint to verify");
  return status;
}

int verify(const Options& options) {
  const io::FileSystem& files = io::local_files();
  if (!files.exists(options.path + "/" + std::string(io::kManifestName))) {
    if (const auto directory = checkpoints_below(files, options.path))
      return verify_all(files, *directory, options.quiet);
  }
  const auto source = open_source(files, options.path);
  if (source->format == TensorSource::Format::checkpoint)
    verify_checkpoint(files, source->path, options.quiet);
  else
    verify_safetensors(*source, options.quiet);
  return 0;
}

}  // namespace

void add_verify(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("verify", "Verifies the checksums of checkpoints.");
  command
      ->add_option("PATH", options->path,
                   "checkpoint, safetensors file or directory, or run\n"
                   "directory (verifies all of its checkpoints)")
      ->type_name("")
      ->required();
  command->add_flag("--quiet", options->quiet, "report only damage");
  command->footer(
      "Exit status: 0 if every byte is as it was written, 65 if data is damaged, 74 if\n"
      "a file cannot be read.");
  command->callback([options, &status] { status = verify(*options); });
}

}  // namespace ripieno::tools
