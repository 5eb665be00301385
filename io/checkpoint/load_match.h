// Which tensor of a checkpoint fills which one that is wanted, by name. For checkpoint.cpp and
// foreign_hdf5.cpp. Not installed.
//
// A wanted parameter of a wider element type than the saved one's is filled from its master weight,
// "master/<name>" of the optimizer, where there is one; and a master weight that was not saved,
// from the parameter. So a run goes on in another precision with the best numbers that there are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ripieno/io/checkpoint/load_options.h"
#include "ripieno/io/checkpoint/state.h"

namespace ripieno::io {

// What there is to load from.
struct Loadable {
  std::string name;
  StateKind kind;
  DType dtype;
  Shape shape;
};

// The name by which it is wanted, by the options' prefix and renamings; nothing where it is not
// among those to take.
std::optional<std::string> wanted_name(const Loadable& saved, const LoadOptions& options);

struct LoadMatch {
  std::vector<std::optional<std::size_t>>
      sources;  // of each wanted tensor: an index of what there is
  LoadReport report;
};

// Of each kind of state that `wanted` names at all, but for master weights, it must name every
// tensor that there is. Throws ConfigurationError that lists what does not match, where `options`
// are strict; or where renaming gives two tensors the same name.
LoadMatch match(const std::vector<Loadable>& there, const State& wanted, const std::string& path,
                const LoadOptions& options);

}  // namespace ripieno::io
