// Matches the tensors of a checkpoint with those to be loaded, by name. Used by checkpoint.cpp and
// foreign_tensors.cpp. Not installed.
//
// A parameter whose element type is wider than the saved one is loaded from its master weight
// ("master/<name>" of the optimizer) if that was saved; a master weight that was not saved is
// loaded from the parameter. So a run that continues in another precision loads the most precise
// values available.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/state.h"

namespace ripieno::io {

// A saved tensor that can be loaded.
struct Loadable {
  std::string name;
  StateKind kind;
  DType dtype;
  Shape shape;
};

// The name under which a saved tensor is loaded, after applying prefix and renaming rules of the
// options; nullopt if it does not have the prefix.
std::optional<std::string> wanted_name(const Loadable& saved, const LoadOptions& options);

struct LoadMatch {
  // For each wanted tensor the index of the saved tensor it is loaded from; nullopt if there is
  // none.
  std::vector<std::optional<std::size_t>> sources;
  LoadReport report;
};

// For each kind of state that occurs in `wanted`, all saved tensors of that kind except master
// weights must be in `wanted`. Throws ConfigurationError, listing all differences, if
// options.strict and something does not match; or if renaming gives two tensors the same name.
// `path`: the checkpoint, for messages.
LoadMatch match(const std::vector<Loadable>& saved, const State& wanted, const std::string& path,
                const LoadOptions& options);

}  // namespace ripieno::io
