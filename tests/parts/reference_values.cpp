#include "parts/reference_values.h"

#include <algorithm>

#include "ripieno/io/formats/hdf5.h"

namespace ripieno::testing {
namespace {

Tensors read_numbered(const io::Hdf5File& file, const std::vector<io::Hdf5DataSet>& data_sets,
                      const std::string& prefix) {
  Tensors tensors;
  for (;;) {
    const std::string path = prefix + std::to_string(tensors.size());
    const bool found = std::any_of(data_sets.begin(), data_sets.end(),
                                   [&](const io::Hdf5DataSet& set) { return set.path == path; });
    if (!found) return tensors;
    tensors.push_back(file.read(path));
  }
}

}  // namespace

ReferenceValues read_reference(const std::string& list, const std::string& part,
                               const std::string& name) {
  const std::string path = RIPIENO_REFERENCES "/" + list + ".h5";
  const io::Hdf5File file(path);
  const auto data_sets = file.data_sets();
  const std::string group = "/" + part + "/" + name + "/";
  ReferenceValues values{read_numbered(file, data_sets, group + "input_"),
                         read_numbered(file, data_sets, group + "output_"),
                         read_numbered(file, data_sets, group + "seed_"),
                         read_numbered(file, data_sets, group + "gradient_")};
  if (values.outputs.empty()) fail(path + " has no values for " + group);
  return values;
}

}  // namespace ripieno::testing
