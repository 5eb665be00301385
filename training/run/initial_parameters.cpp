#include "ripieno/training/run/initial_parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/foreign_hdf5.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/training/run/training_state.h"

namespace ripieno {
namespace {

// Parameters, buffers and master weights, which would otherwise be copies of rounded parameters.
io::State wanted_of(nn::Module& model, optim::Optimizer& optimizer) {
  io::State wanted = state_of(model, optimizer);
  std::erase_if(wanted, [](const io::StateTensor& tensor) {
    return tensor.kind == io::StateKind::optimizer && !tensor.name.starts_with("master/");
  });
  return wanted;
}

// The checkpoint or file for `path`: the newest intact checkpoint of a run directory.
std::string resolve(const std::string& path, std::vector<std::string>& warnings) {
  const auto& files = io::local_files();
  const std::string checkpoints = path + "/checkpoints";
  if (!files.exists(path))
    throw ConfigurationError(fmt::format("checkpoint.load={}: no such file or directory", path));
  if (!files.exists(checkpoints)) return path;
  auto found = io::newest_intact(files, checkpoints);
  warnings = std::move(found.rejected);
  if (!found.path)
    throw DataError(fmt::format("checkpoint.load: no intact checkpoint found in {}{}{}",
                                checkpoints, warnings.empty() ? "" : ": ",
                                fmt::join(warnings, "; ")));
  return *found.path;
}

io::LoadReport load(const InitialParameters& initial, const std::string& path,
                    const io::State& wanted,
                    const std::function<void(const io::Checkpoint&)>& opened) {
  const auto& files = io::local_files();
  const io::LoadOptions options{.prefix = initial.prefix,
                                .rename = io::renamings_from_text(initial.rename),
                                .strict = initial.strict,
                                .remedy =
                                    "set checkpoint.rename, or load only what matches with "
                                    "--set checkpoint.strict=false"};
  if (files.exists(path + "/manifest.json")) {
    const auto checkpoint = io::Checkpoint::open(files, path);
    if (opened && !initial.allow_differences) opened(checkpoint);
    return checkpoint.load(wanted, options);
  }
  if (initial.foreign) return io::load_foreign_hdf5(path, wanted, options);
  throw ConfigurationError(fmt::format(
      "checkpoint.load: {} is not a checkpoint (it has no manifest.json); for an HDF5 file of "
      "another program, which has no checksums, use --set checkpoint.foreign=true",
      path));
}

void warn_of(const std::vector<std::string>& names, const std::string& path, std::string_view what,
             std::vector<std::string>& warnings) {
  if (names.empty()) return;
  const auto shown = std::min<std::ptrdiff_t>(10, std::ssize(names));
  warnings.push_back(fmt::format("{}: {} ({}): {}{}", path, what, names.size(),
                                 fmt::join(names.begin(), names.begin() + shown, ", "),
                                 shown < std::ssize(names) ? ", …" : ""));
}

}  // namespace

std::vector<std::string> load(const InitialParameters& initial, Session& session, nn::Module& model,
                              optim::Optimizer& optimizer,
                              const std::function<void(const io::Checkpoint&)>& opened) {
  std::vector<std::string> warnings;
  std::string path;
  session.together([&] {
    if (session.rank() == 0) path = resolve(initial.path, warnings);
  });
  path = from_rank_0(session.communicator(), path);
  io::LoadReport report;
  session.together([&] {
    const io::State wanted = wanted_of(model, optimizer);
    report = load(initial, path, wanted, opened);
    if (report.missing.size() + report.different.size() == wanted.size())
      throw ConfigurationError(
          fmt::format("checkpoint.load: no tensor in {} matches a parameter of the model in name "
                      "and shape; set checkpoint.load_prefix or checkpoint.rename",
                      path));
  });
  warn_of(report.missing, path, "not in the checkpoint, initial values are kept", warnings);
  warn_of(report.different, path, "different shape or type, initial values are kept", warnings);
  warn_of(report.unused, path, "not used", warnings);
  return warnings;
}

}  // namespace ripieno
