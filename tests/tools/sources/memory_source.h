// MemorySource: a TensorSource in memory, for tests.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/tools/sources/tensor_source.h"

namespace ripieno::tools {

class MemorySource final : public TensorSource {
 public:
  explicit MemorySource(Format source_format) : TensorSource(source_format, "memory") {}

  // Adds a tensor whose values differ from element to element and from those of other tensors.
  void add(const std::string& name, const Shape& shape,
           io::StateKind kind = io::StateKind::parameter) {
    std::vector<float> values;
    for (int64_t i = 0; i < shape.elements(); ++i)
      values.push_back(static_cast<float>(std::ssize(tensors) * 1000 + i));
    tensors.push_back({name, kind, DType::float32, shape});
    values_.push_back(Tensor::of(shape, values));
  }
  Tensor read(std::size_t index) const override { return values_[index]; }
  Tensor read(const std::string& name) const { return values_[index_of(name)]; }
  void set(const std::string& name, const Tensor& value) { values_[index_of(name)] = value; }
  void remove(const std::string& name) {
    const auto index = static_cast<std::ptrdiff_t>(index_of(name));
    tensors.erase(tensors.begin() + index);
    values_.erase(values_.begin() + index);
  }

 private:
  std::size_t index_of(const std::string& name) const {
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name == name) return i;
    }
    fail("no tensor " + name);
  }

  std::vector<Tensor> values_;
};

// A GPT-2 as transformers saves it: 2 blocks, 4 channels, 5 tokens, 3 positions.
inline MemorySource tiny_gpt2() {
  MemorySource gpt2(TensorSource::Format::safetensors);
  const std::string prefix = "transformer.";
  gpt2.add(prefix + "wte.weight", {5, 4});
  gpt2.add(prefix + "wpe.weight", {3, 4});
  for (const std::string block : {"h.0.", "h.1."}) {
    const std::string path = prefix + block;
    gpt2.add(path + "ln_1.weight", {4});
    gpt2.add(path + "ln_1.bias", {4});
    gpt2.add(path + "attn.bias", {1, 1, 3, 3});
    gpt2.add(path + "attn.c_attn.weight", {4, 12});
    gpt2.add(path + "attn.c_attn.bias", {12});
    gpt2.add(path + "attn.c_proj.weight", {4, 4});
    gpt2.add(path + "attn.c_proj.bias", {4});
    gpt2.add(path + "ln_2.weight", {4});
    gpt2.add(path + "ln_2.bias", {4});
    gpt2.add(path + "mlp.c_fc.weight", {4, 16});
    gpt2.add(path + "mlp.c_fc.bias", {16});
    gpt2.add(path + "mlp.c_proj.weight", {16, 4});
    gpt2.add(path + "mlp.c_proj.bias", {4});
  }
  gpt2.add(prefix + "ln_f.weight", {4});
  gpt2.add(prefix + "ln_f.bias", {4});
  gpt2.configuration = {{"model_type", "gpt2"}, {"n_head", 2}, {"vocab_size", 5},
                        {"n_positions", 3},     {"n_embd", 4}, {"n_layer", 2},
                        {"resid_pdrop", 0.25}};
  return gpt2;
}

// A Llama of one block, with fewer key-value heads than query heads.
inline MemorySource tiny_llama() {
  MemorySource llama(TensorSource::Format::safetensors);
  const std::string path = "model.layers.0.";
  llama.add("model.embed_tokens.weight", {5, 8});
  llama.add(path + "input_layernorm.weight", {8});
  llama.add(path + "self_attn.q_proj.weight", {8, 8});
  llama.add(path + "self_attn.k_proj.weight", {4, 8});
  llama.add(path + "self_attn.v_proj.weight", {4, 8});
  llama.add(path + "self_attn.o_proj.weight", {8, 8});
  llama.add(path + "post_attention_layernorm.weight", {8});
  llama.add(path + "mlp.gate_proj.weight", {12, 8});
  llama.add(path + "mlp.up_proj.weight", {12, 8});
  llama.add(path + "mlp.down_proj.weight", {8, 12});
  llama.add("model.norm.weight", {8});
  llama.add("lm_head.weight", {5, 8});
  llama.configuration = {{"model_type", "llama"},    {"vocab_size", 5},
                         {"hidden_size", 8},         {"num_hidden_layers", 1},
                         {"intermediate_size", 12},  {"num_attention_heads", 4},
                         {"num_key_value_heads", 2}, {"rope_theta", 500000.0}};
  return llama;
}

}  // namespace ripieno::tools
