#include "ripieno/training/weights.h"

#include <span>

#include "ripieno/core/autograd.h"
#include "ripieno/io/checkpoint/foreign_safetensors.h"
#include "ripieno/io/files/write_aside.h"
#include "ripieno/io/formats/safetensors.h"
#include "ripieno/training/run/training_state.h"

namespace ripieno {
namespace {

io::SafetensorsHeader header_of(const io::State& state) {
  io::SafetensorsHeader header{.tensors = {},
                               .metadata = {{"format", "pt"}}};  // required by transformers
  for (const auto& tensor : state)
    header.tensors.push_back({.name = tensor.name, .dtype = tensor.dtype, .shape = tensor.shape});
  return header;
}

}  // namespace

void save_weights(nn::Module& model, const std::string& path) {
  const NoGrad no_grad;
  const io::State state = state_of(model);
  auto& files = io::local_files();
  io::write_aside(files, path, [&](const std::string& aside) {
    io::SafetensorsWriter writer(files, aside, header_of(state));
    for (const auto& tensor : state) {
      const Tensor on_host = tensor.part.to(Device::cpu()).dense();
      writer.append({static_cast<const std::byte*>(on_host.raw_data()), on_host.bytes()});
    }
    writer.finish();
  });
}

io::LoadReport load_weights(nn::Module& model, const std::string& path,
                            const io::LoadOptions& options) {
  io::LoadOptions how = options;
  if (how.remedy == io::LoadOptions().remedy)
    how.remedy = "rename tensors with {.rename = …}, or load what matches with {.strict = false}";
  return io::load_foreign_safetensors(io::local_files(), path, state_of(model), how);
}

}  // namespace ripieno
