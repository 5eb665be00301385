#include "ripieno/tools/convert/hugging_face.h"

#include <gmock/gmock.h>

#include "ripieno/core/error.h"
#include "ripieno/tools/sources/foreign_json.h"
#include "tools/sources/memory_source.h"

namespace ripieno::tools {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::ThrowsMessage;

const Renamed& named(const std::vector<Renamed>& tensors, const std::string& name) {
  for (const Renamed& renamed : tensors) {
    if (renamed.name == name) return renamed;
  }
  fail("no tensor " + name);
}

// The checkpoint that `theirs` is converted to.
MemorySource as_checkpoint(const MemorySource& theirs) {
  const OurModel model = from_hugging_face(theirs);
  MemorySource ours(TensorSource::Format::checkpoint);
  for (const Renamed& renamed : model.tensors) {
    Tensor value = theirs.read(renamed.index);
    if (renamed.is_transposed) value = value.transpose(0, 1).dense();
    ours.add(renamed.name, value.shape());
    ours.set(renamed.name, value);
  }
  ours.training_state = model.training_state;
  return ours;
}

template <typename Change>
void expect_rejected(const MemorySource& like, const Change& change, const std::string& why) {
  MemorySource source = like;
  change(source);
  EXPECT_THAT([&] { from_hugging_face(source); },
              ThrowsMessage<ConfigurationError>(HasSubstr(why)));
}

TEST(HuggingFace, Gpt2ProjectionsAreTransposed) {
  const OurModel model = from_hugging_face(tiny_gpt2());
  EXPECT_TRUE(named(model.tensors, "blocks.1.qkv.weight").is_transposed);
  EXPECT_TRUE(named(model.tensors, "blocks.0.down.weight").is_transposed);
  EXPECT_FALSE(named(model.tensors, "tokens.weight").is_transposed);
  EXPECT_THAT(model.left_out,
              ElementsAre("transformer.h.0.attn.bias", "transformer.h.1.attn.bias"));
}

TEST(HuggingFace, Gpt2ConfigurationIsAcceptedByTraining) {
  const auto state = from_hugging_face(tiny_gpt2()).training_state;
  const nlohmann::json expected = {{"kind", "gpt"}, {"vocab", 5},   {"layers", 2},    {"heads", 2},
                                   {"channels", 4}, {"context", 3}, {"dropout", 0.25}};
  EXPECT_EQ(state["configuration"]["model"], expected);
  EXPECT_EQ(state["tokenizer"]["vocabulary_size"], 5);
}

TEST(HuggingFace, AGpt2WithoutHeadHasNamesWithoutPrefix) {
  MemorySource bare(TensorSource::Format::safetensors);
  const MemorySource whole = tiny_gpt2();
  for (const SourceTensor& tensor : whole.tensors)
    bare.add(tensor.name.substr(std::string("transformer.").size()), tensor.shape);
  bare.configuration = whole.configuration;
  EXPECT_THAT(from_hugging_face(bare).tensors, Contains(Field(&Renamed::name, "tokens.weight")));
}

TEST(HuggingFace, AGpt2HeadMustEqualTheEmbedding) {
  MemorySource tied = tiny_gpt2();
  tied.add("lm_head.weight", {5, 4});
  expect_rejected(
      tied, [](MemorySource&) {}, "lm_head.weight differs from the token embedding");
  tied.set("lm_head.weight", tied.read("transformer.wte.weight"));
  EXPECT_THAT(from_hugging_face(tied).left_out, Contains("lm_head.weight"));
}

// DistributedDataParallel and torch.compile prefix all names.
TEST(HuggingFace, PrefixesOfWrappersAreRemoved) {
  const MemorySource whole = tiny_gpt2();
  for (const std::string wrapper : {"module.", "_orig_mod.", "module._orig_mod."}) {
    MemorySource wrapped(TensorSource::Format::safetensors);
    for (const SourceTensor& tensor : whole.tensors)
      wrapped.add(wrapper + tensor.name, tensor.shape);
    wrapped.configuration = whole.configuration;
    EXPECT_THAT(from_hugging_face(wrapped).tensors,
                Contains(Field(&Renamed::name, "blocks.1.up.bias")));
  }
}

TEST(HuggingFace, ATiedLlamaHeadIsSkipped) {
  MemorySource llama = tiny_llama();
  llama.tensors.back().same_as = 0;
  EXPECT_EQ(from_hugging_face(llama).tensors.size(), llama.tensors.size());
  llama.configuration["tie_word_embeddings"] = true;
  EXPECT_THAT(from_hugging_face(llama).left_out, ElementsAre("lm_head.weight"));
}

TEST(HuggingFace, Gpt2ConfigurationMustMatchTheTensors) {
  for (const char* key : {"n_embd", "n_layer", "n_positions", "vocab_size"}) {
    expect_rejected(
        tiny_gpt2(), [&](MemorySource& source) { source.configuration[key] = 7; },
        std::string(key) + " is 7 in config.json, but");
  }
  for (const nlohmann::json& heads :
       {nlohmann::json(0), nlohmann::json(-2), nlohmann::json(UINT64_MAX)}) {
    expect_rejected(
        tiny_gpt2(), [&](MemorySource& source) { source.configuration["n_head"] = heads; },
        "number of heads is " + heads.dump());
  }
}

TEST(HuggingFace, UnsupportedGpt2OptionsAreRejected) {
  const auto with = [](const char* key, const nlohmann::json& value) {
    return [=](MemorySource& source) { source.configuration[key] = value; };
  };
  const MemorySource gpt2 = tiny_gpt2();
  expect_rejected(gpt2, with("activation_function", "relu"), "activation_function is \"relu\"");
  expect_rejected(gpt2, with("layer_norm_epsilon", 1e-6), "layer_norm_epsilon is 1e-06");
  expect_rejected(gpt2, with("n_inner", 8), "n_inner is 8");
  expect_rejected(gpt2, with("scale_attn_weights", false), "scale_attn_weights is false");
  expect_rejected(gpt2, with("scale_attn_by_inverse_layer_idx", true), "inverse_layer_idx is true");
  expect_rejected(gpt2, with("add_cross_attention", true), "add_cross_attention is true");
  expect_rejected(gpt2, with("model_type", "mamba"), "model_type is \"mamba\"");
  expect_rejected(gpt2, with("n_head", 3), "multiple of heads");
  expect_rejected(gpt2, with("n_head", "two"), "number of heads is unknown");
}

TEST(HuggingFace, MissingAndExtraTensorsAreRejected) {
  const MemorySource gpt2 = tiny_gpt2();
  expect_rejected(
      gpt2, [](auto& s) { s.remove("transformer.h.1.mlp.c_fc.bias"); },
      "blocks.1.up.bias is missing");
  expect_rejected(
      gpt2,
      [](auto& s) {
        s.add("transformer.h.0.adapter.weight", {4, 4});
      },
      "transformer.h.0.adapter.weight is not a tensor of a gpt2");
  expect_rejected(
      gpt2, [](auto& s) { s.add("transformer.h.01.ln_1.bias", {4}); },
      "transformer.h.01.ln_1.bias is not");
  expect_rejected(
      gpt2,
      [](auto& s) {
        s.tensors[0].shape = {5, 6};
      },
      "in a GPT-2 of 6 channels");
}

TEST(HuggingFace, Gpt2RoundTripKeepsTheConfiguration) {
  MemorySource gpt2 = tiny_gpt2();
  gpt2.configuration["summary_type"] = "cls_index";
  const MemorySource ours = as_checkpoint(gpt2);
  const HuggingFaceModel back = to_hugging_face(ours);
  EXPECT_EQ(back.config, gpt2.configuration);
  const Renamed& fc = named(back.tensors, "transformer.h.0.mlp.c_fc.weight");
  EXPECT_EQ(ours.read(fc.index).transpose(0, 1).dense().to_vector<float>(),
            gpt2.read("transformer.h.0.mlp.c_fc.weight").to_vector<float>());
}

TEST(HuggingFace, OurGptGetsANewConfiguration) {
  MemorySource ours = as_checkpoint(tiny_gpt2());
  ours.training_state.erase("hugging_face");
  const auto config = to_hugging_face(ours).config;
  EXPECT_EQ(config["model_type"], "gpt2");
  EXPECT_EQ(config["n_head"], 2);
  EXPECT_EQ(config["n_positions"], 3);
  EXPECT_EQ(config["activation_function"], "gelu_new");
  EXPECT_EQ(config["tie_word_embeddings"], true);
  EXPECT_TRUE(config["bos_token_id"].is_null());
  ours.training_state.erase("configuration");
  EXPECT_THAT([&] { to_hugging_face(ours); },
              ThrowsMessage<ConfigurationError>(HasSubstr("number of heads is unknown")));
}

TEST(HuggingFace, LlamaRoundTripKeepsTheConfiguration) {
  const MemorySource llama = tiny_llama();
  const MemorySource ours = as_checkpoint(llama);
  EXPECT_EQ(ours.training_state["configuration"]["model"]["key_value_heads"], 2);
  const HuggingFaceModel back = to_hugging_face(ours);
  EXPECT_EQ(back.config, llama.configuration);
  EXPECT_EQ(back.tensors.size(), llama.tensors.size());
  EXPECT_EQ(named(back.tensors, "lm_head.weight").is_transposed, false);
}

TEST(HuggingFace, ALlamaRequiresAMatchingConfiguration) {
  const MemorySource llama = tiny_llama();
  expect_rejected(
      llama, [](auto& s) { s.configuration["hidden_size"] = 16; },
      "hidden_size is 16 in config.json, but 8 in the tensors");
  expect_rejected(
      llama, [](auto& s) { s.configuration["num_attention_heads"] = 3; },
      "not a multiple of 3 heads");
  expect_rejected(
      llama, [](auto& s) { s.configuration = nullptr; }, "requires a config.json");
  expect_rejected(
      llama, [](auto& s) { s.remove("model.layers.0.mlp.up_proj.weight"); },
      "blocks.0.up.weight is missing");
}

TEST(HuggingFace, MalformedConfigurationsAreRejectedOrIgnored) {
  for (const char* text : {"[]", "3", "{}", R"({"model_type": ["gpt2"]})",
                           R"({"model_type": "gpt2", "n_head": {}, "n_inner": []})"}) {
    for (MemorySource source : {tiny_gpt2(), tiny_llama()}) {
      source.configuration = nlohmann::json::parse(text);
      EXPECT_THROW(from_hugging_face(source), ConfigurationError) << text;
    }
  }
  MemorySource odd = tiny_llama();
  odd.configuration["num_key_value_heads"] = "two";
  EXPECT_THROW(from_hugging_face(odd), ConfigurationError);
  odd.configuration["num_key_value_heads"] = 2;
  odd.training_state = {{"configuration", "none"}};
  EXPECT_TRUE(from_hugging_face(odd).training_state["configuration"].is_object());
}

TEST(ForeignJson, EnforcesItsLimits) {
  EXPECT_THAT([] { parse_json(std::string(1'000'000, '[')); },
              ThrowsMessage<DataError>(HasSubstr("100 levels deep")));
  EXPECT_THAT([] { parse_json(R"({"a": tru})"); },
              ThrowsMessage<DataError>(HasSubstr("invalid JSON at byte")));
  EXPECT_THAT([] { parse_json(R"({"a": 1e999})"); },
              ThrowsMessage<DataError>(HasSubstr("a number is too large")));
}

TEST(HuggingFace, OtherModelsRequireNamesOurs) {
  MemorySource mlp(TensorSource::Format::checkpoint);
  mlp.add("layers.0.weight", {3, 2});
  EXPECT_THAT([&] { to_hugging_face(mlp); },
              ThrowsMessage<ConfigurationError>(HasSubstr("--names ours")));
  mlp.format = TensorSource::Format::safetensors;
  EXPECT_THAT([&] { from_hugging_face(mlp); },
              ThrowsMessage<ConfigurationError>(HasSubstr("--names ours")));
}

}  // namespace
}  // namespace ripieno::tools
