#include "ripieno/io/checkpoint/foreign_hdf5.h"

#include <algorithm>

#include "ripieno/io/checkpoint/foreign_tensors.h"
#include "ripieno/io/formats/hdf5.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kParameters = "/parameters/";

std::vector<Hdf5DataSet> parameters_in(const Hdf5File& file) {
  auto data_sets = file.data_sets();
  const auto is_parameter = [](const Hdf5DataSet& set) {
    return set.path.starts_with(kParameters);
  };
  if (std::any_of(data_sets.begin(), data_sets.end(), is_parameter))
    std::erase_if(data_sets, [&](const Hdf5DataSet& set) { return !is_parameter(set); });
  return data_sets;
}

std::string name_of(const Hdf5DataSet& set) {
  const bool is_below = set.path.starts_with(kParameters);
  std::string name = set.path.substr(is_below ? kParameters.size() : 1);
  std::replace(name.begin(), name.end(), '/', '.');
  return name;
}

}  // namespace

LoadReport load_foreign_hdf5(const std::string& path, const State& wanted,
                             const LoadOptions& options) {
  const Hdf5File file(path);
  const auto data_sets = parameters_in(file);
  std::vector<Loadable> available;
  for (const Hdf5DataSet& set : data_sets)
    available.push_back({name_of(set), StateKind::parameter, set.dtype, set.shape});
  return load_foreign(available, wanted, path, options,
                      [&](std::size_t index) { return file.read(data_sets[index].path); });
}

}  // namespace ripieno::io
