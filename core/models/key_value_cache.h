// KeyValueCache: the keys and values of the tokens that a language model has read, so that each
// further token costs one position.
//
// Not recorded: calls must be within a NoGrad.
#pragma once

#include <cstdint>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno::nn {

class KeyValueCache {
 public:
  struct Sizes {
    int64_t layers = 0, batch = 0;
    int64_t capacity = 0;  // tokens of each row
    int64_t heads = 0, head_size = 0;
  };
  // Allocates all memory. Throws Error for sizes below 1.
  KeyValueCache(const Sizes& sizes, DType dtype, Device device);

  // The number of tokens that all layers hold.
  int64_t length() const { return length_; }
  const Sizes& sizes() const { return sizes_; }
  Device device() const { return layers_.front().keys.device(); }

  struct View {
    Tensor keys, values;  // (batch, tokens, heads, head_size), views of the cache
  };
  // Writes the keys and values of the tokens that follow length(), (batch, time, heads, head_size),
  // and returns those of all tokens up to them. Throws Error for another shape, or if the cache is
  // full.
  View append(int64_t layer, const Tensor& keys, const Tensor& values);
  // Counts the tokens that every layer has appended.
  void advance(int64_t tokens) { length_ += tokens; }
  // Forgets all tokens.
  void clear() { length_ = 0; }

 private:
  Sizes sizes_;
  int64_t length_ = 0;
  std::vector<View> layers_;
};

}  // namespace ripieno::nn
