#include "ripieno/io/checkpoint/checkpoint.h"
#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {
namespace {

class CheckpointSource final : public TensorSource {
 public:
  explicit CheckpointSource(io::Checkpoint checkpoint)
      : TensorSource(Format::checkpoint, checkpoint.path()), checkpoint_(std::move(checkpoint)) {
    training_state = checkpoint_.training_state();
    step = checkpoint_.step();
    world_size = checkpoint_.world_size();
    commit_mode = io::name_of(checkpoint_.commit_mode());
    for (auto& tensor : checkpoint_.tensors())
      tensors.push_back(
          {std::move(tensor.name), tensor.kind, tensor.dtype, tensor.shape, tensor.not_finite});
  }

  Tensor read(std::size_t index) const override {
    Tensor whole(tensors[index].shape, tensors[index].dtype);
    checkpoint_.load({io::state_of(tensors[index].name, tensors[index].kind, whole)},
                     {.strict = false});
    return whole;
  }

 private:
  io::Checkpoint checkpoint_;
};

}  // namespace

std::unique_ptr<TensorSource> open_checkpoint(const io::FileSystem& files,
                                              const std::string& path) {
  return std::make_unique<CheckpointSource>(io::Checkpoint::open(files, path));
}

}  // namespace ripieno::tools
