#include "ripieno/core/models/key_value_cache.h"

#include <fmt/format.h>

namespace ripieno::nn {

KeyValueCache::KeyValueCache(const Sizes& sizes, DType dtype, Device device) : sizes_(sizes) {
  const auto& [layers, batch, capacity, heads, head_size] = sizes;
  if (layers < 1 || batch < 1 || capacity < 1 || heads < 1 || head_size < 1) {
    fail(
        fmt::format("key_value_cache: layers is {}, batch is {}, capacity is {}, heads is {}, "
                    "head_size is {}; all must be at least 1",
                    layers, batch, capacity, heads, head_size));
  }
  const Shape shape = {batch, capacity, heads, head_size};
  for (int64_t layer = 0; layer < layers; ++layer) {
    layers_.push_back({Tensor(shape, dtype, device), Tensor(shape, dtype, device)});
  }
}

KeyValueCache::View KeyValueCache::append(int64_t layer, const Tensor& keys, const Tensor& values) {
  const Shape wanted = {sizes_.batch, keys.rank() == 4 ? keys.size(1) : 0, sizes_.heads,
                        sizes_.head_size};
  if (keys.shape() != wanted || values.shape() != wanted) {
    fail(
        fmt::format("key_value_cache: keys is {}, values is {}; they must be (batch, time, heads, "
                    "head_size), {} for the batch, {} heads of size {}",
                    to_string(keys.shape()), to_string(values.shape()), sizes_.batch, sizes_.heads,
                    sizes_.head_size));
  }
  const int64_t end = length_ + keys.size(1);
  if (end > sizes_.capacity) {
    fail(fmt::format("key_value_cache: {} tokens do not fit behind {}; the capacity is {}",
                     keys.size(1), length_, sizes_.capacity));
  }
  const View& cached = layers_.at(static_cast<std::size_t>(layer));
  cached.keys.slice(1, length_, end).copy_from(keys);
  cached.values.slice(1, length_, end).copy_from(values);
  return {cached.keys.slice(1, 0, end), cached.values.slice(1, 0, end)};
}

}  // namespace ripieno::nn
