#include "ripieno/io/checkpoint/foreign_safetensors.h"

#include <cstddef>
#include <set>
#include <vector>

#include "ripieno/io/checkpoint/foreign_tensors.h"
#include "ripieno/io/formats/safetensors.h"

namespace ripieno::io {
namespace {

// A file does not say which of its tensors are buffers: those that are loaded as one.
std::vector<Loadable> tensors_in(const SafetensorsHeader& header, const State& wanted,
                                 const LoadOptions& options) {
  std::set<std::string> buffers;
  for (const StateTensor& tensor : wanted) {
    if (tensor.kind == StateKind::buffer) buffers.insert(tensor.name);
  }
  std::vector<Loadable> found;
  for (const SafetensorsTensor& tensor : header.tensors) {
    found.push_back({tensor.name, StateKind::parameter, tensor.dtype, tensor.shape});
    const auto name = wanted_name(found.back(), options);
    if (name && buffers.contains(*name)) found.back().kind = StateKind::buffer;
  }
  return found;
}

}  // namespace

LoadReport load_foreign_safetensors(const FileSystem& files, const std::string& path,
                                    const State& wanted, const LoadOptions& options) {
  const SafetensorsReader file(files, path);
  return load_foreign(
      tensors_in(file.header(), wanted, options), wanted, path, options, [&](std::size_t index) {
        const SafetensorsTensor& tensor = file.header().tensors[index];
        Tensor whole(tensor.shape, tensor.dtype);
        file.read(tensor, 0, {static_cast<std::byte*>(whole.raw_data()), whole.bytes()});
        return whole;
      });
}

}  // namespace ripieno::io
