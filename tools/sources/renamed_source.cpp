#include "ripieno/tools/sources/renamed_source.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/io/checkpoint/load_match.h"

namespace ripieno::tools {
namespace {

class RenamedSource final : public TensorSource {
 public:
  RenamedSource(std::unique_ptr<TensorSource> source, const io::LoadOptions& options)
      : TensorSource(*source), source_(std::move(source)) {
    tensors.clear();
    std::map<std::pair<io::StateKind, std::string>, std::string> taken;  // new name -> old name
    for (std::size_t i = 0; i < source_->tensors.size(); ++i) {
      SourceTensor tensor = source_->tensors[i];
      auto name = io::wanted_name({tensor.name, tensor.kind, tensor.dtype, tensor.shape}, options);
      if (!name) continue;
      const auto [other, is_new] = taken.try_emplace({tensor.kind, *name}, tensor.name);
      if (!is_new)
        throw ConfigurationError(
            fmt::format("{}: {} and {} would both be named {}; change --rename", path,
                        other->second, tensor.name, *name));
      tensor.name = *std::move(name);
      tensor.same_as.reset();
      tensors.push_back(std::move(tensor));
      indices_.push_back(i);
    }
    if (tensors.empty())
      throw ConfigurationError(fmt::format(
          "{}: no tensor name begins with \"{}\"; see ripieno inspect", path, options.prefix));
  }

  Tensor read(std::size_t index) const override { return source_->read(indices_[index]); }

 private:
  std::unique_ptr<TensorSource> source_;
  std::vector<std::size_t> indices_;
};

}  // namespace

std::unique_ptr<TensorSource> renamed_source(std::unique_ptr<TensorSource> source,
                                             const io::LoadOptions& options) {
  return std::make_unique<RenamedSource>(std::move(source), options);
}

}  // namespace ripieno::tools
