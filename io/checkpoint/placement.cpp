#include "ripieno/io/checkpoint/placement.h"

#include <fmt/format.h>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/io/checkpoint/manifest.h"
#include "ripieno/io/checkpoint/step_directory.h"

namespace ripieno::io {
namespace {

// Without renames, each attempt has its own directory, so that nothing is written to a directory
// that is already a checkpoint, even if shared storage shows changes of other hosts late.
std::string directory_of(const std::string& final, const std::string& attempt, CommitMode mode) {
  if (mode == CommitMode::rename) return final + std::string(kPartial);
  if (!is_attempt(attempt))
    fail(fmt::format(
        "save_checkpoint: attempt must consist of letters, digits, - and _, got \"{}\"", attempt));
  return final + kAttempt + attempt;
}

}  // namespace

Placement::Placement(FileSystem& files, const std::string& directory, int64_t step,
                     const std::string& attempt, CommitMode mode)
    : files_(files),
      directory_(directory),
      step_(step),
      mode_(mode),
      final_(directory + "/" + step_name(step)),
      path_(directory_of(final_, attempt, mode)) {}

bool Placement::is_committed() const {
  return mode_ == CommitMode::manifest && has_sealed_manifest(files_, path_);
}

void Placement::prepare(const std::function<bool(const std::string&)>& belongs) {
  files_.make_directories(path_);
  files_.sync_directory(parent_of(directory_));
  for (const StepDirectory& found : step_directories(files_, directory_)) {
    if (found.path != path_ && is_unfinished(files_, found)) files_.remove_all(found.path);
  }
  remove_others(belongs);
}

void Placement::remove_others(const std::function<bool(const std::string&)>& belongs) {
  for (const std::string& name : files_.names_in(path_)) {
    if (!belongs(name)) files_.remove_all(path_of(name));
  }
}

void Placement::write_sealed(const std::string& name, const std::string& text) {
  const std::string path = path_of(name);
  if (mode_ == CommitMode::manifest) return write_file(files_, path, text);
  write_file(files_, path + std::string(kPartial), text);
  files_.rename(path + std::string(kPartial), path);
}

void Placement::commit(const std::string& manifest) {
  // A manifest must not become durable before the files that it lists.
  if (mode_ == CommitMode::manifest) files_.sync_directory(path_);
  write_file(files_, path_of(std::string(kManifestName)), manifest);
  files_.sync_directory(path_);
  if (mode_ == CommitMode::rename) {
    move_existing();
    files_.rename(path_, final_);
  }
  files_.sync_directory(directory_);
}

// If the step was saved before, renames its checkpoint to .replaced, or to .damaged if it is
// damaged. A .replaced checkpoint can still be loaded until the new one is committed.
void Placement::move_existing() {
  if (!files_.exists(final_)) return;
  std::string target = final_ + std::string(kReplaced);
  try {
    Checkpoint::open(files_, final_).verify();
  } catch (const LaterVersion&) {
  } catch (const DataError&) {
    target = final_ + std::string(kDamaged);
  } catch (const StorageError&) {  // it may be intact but temporarily unreadable
  }
  files_.remove_all(target);
  files_.rename(final_, target);
}

void Placement::remove_replaced() {
  if (mode_ == CommitMode::rename) return;
  for (const StepDirectory& found : step_directories(files_, directory_)) {
    if (found.step == step_ && found.path != path_ && is_candidate(files_, found))
      remove_checkpoint(files_, found.path);
  }
}

void Placement::remove() {
  if (mode_ == CommitMode::manifest) return remove_checkpoint(files_, path_);
  files_.remove_all(path_);
}

}  // namespace ripieno::io
