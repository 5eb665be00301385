// nn::Llama against models that transformers wrote (tests/fixtures/llama).
#include "ripieno/core/models/llama.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/core/autograd.h"
#include "ripieno/core/error.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/convert/hugging_face.h"
#include "ripieno/tools/convert/tokenizer_files.h"
#include "ripieno/tools/sources/tensor_source.h"
#include "ripieno/training/models/llama_settings.h"
#include "tools/sources/memory_source.h"

namespace ripieno::tools {
namespace {

class ForeignLlama : public ::testing::TestWithParam<std::string> {
 protected:
  std::string folder() const { return RIPIENO_FIXTURES "/llama/" + GetParam(); }

  // The model of the folder, through the conversion to a checkpoint.
  std::unique_ptr<nn::LanguageModel> model() const {
    const auto source = open_source(io::local_files(), folder());
    const OurModel ours = from_hugging_face(*source);
    LlamaSettings llama;
    Settings settings;
    llama.bind(settings);
    settings.restore(ours.training_state["configuration"]);
    auto model = llama.build_for(0);
    const Parameters parameters = model->parameters();
    EXPECT_EQ(parameters.size(), ours.tensors.size());
    const NoGrad no_grad;
    for (const Renamed& renamed : ours.tensors) {
      parameters[renamed.name].copy_from(source->read(renamed.index));
    }
    return model;
  }

  Tensor expected(const std::string& name) const {
    const auto source = open_source(io::local_files(), folder() + "/expected.safetensors");
    for (std::size_t i = 0; i < source->tensors.size(); ++i) {
      if (source->tensors[i].name == name) return source->read(i);
    }
    fail("expected.safetensors has no " + name);
  }

  static void expect_equal(const Tensor& found, const Tensor& wanted, double tolerance) {
    ASSERT_EQ(to_string(found.shape()), to_string(wanted.shape()));
    const auto a = found.to_vector<float>(), b = wanted.to_vector<float>();
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], tolerance) << i;
  }
};

TEST_P(ForeignLlama, HasTheLogitsOfTransformers) {
  const auto llama = model();
  const NoGrad no_grad;
  expect_equal((*llama)(expected("ids")), expected("logits"), 1e-5);
}

// Token by token, and in two parts.
TEST_P(ForeignLlama, HasTheSameLogitsWithACache) {
  const auto llama = model();
  const NoGrad no_grad;
  const Tensor ids = expected("ids"), logits = expected("logits");
  const int64_t time = ids.size(1), vocab = logits.size(2);
  const auto check = [&](const std::vector<int64_t>& ends) {
    nn::KeyValueCache cache = llama->make_cache(ids.size(0));
    int64_t begin = 0;
    for (const int64_t end : ends) {
      const Tensor next = llama->next_logits(ids.slice(1, begin, end), cache);
      expect_equal(next, logits.slice(1, end - 1, end).reshape({ids.size(0), vocab}), 1e-5);
      begin = end;
    }
  };
  check({1, 2, 3, 4, 5, 6, 7, 8, 9});
  check({4, time});
}

TEST_P(ForeignLlama, ConvertsBackToTheSameNamesAndConfiguration) {
  const auto source = open_source(io::local_files(), folder());
  const OurModel ours = from_hugging_face(*source);
  EXPECT_TRUE(ours.left_out.empty());
  EXPECT_EQ(ours.training_state["hugging_face"]["config"], source->configuration);
}

// As that of a run of train_gpt, which has no config.json.
TEST_P(ForeignLlama, HasAConfigurationThatFollowsFromOurs) {
  const auto source = open_source(io::local_files(), folder());
  const OurModel ours = from_hugging_face(*source);
  MemorySource checkpoint(TensorSource::Format::checkpoint);
  for (const Renamed& renamed : ours.tensors) {
    checkpoint.add(renamed.name, source->tensors[renamed.index].shape);
  }
  checkpoint.training_state = ours.training_state;
  checkpoint.training_state.erase("hugging_face");
  const nlohmann::json config = to_hugging_face(checkpoint).config;
  for (const char* key :
       {"model_type", "architectures", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings",
        "rms_norm_eps", "tie_word_embeddings", "vocab_size", "hidden_act"}) {
    if (!source->configuration.contains(key)) continue;
    EXPECT_EQ(config[key], source->configuration[key]) << key;
  }
  const nlohmann::json& rotary = source->configuration["rope_parameters"];
  EXPECT_EQ(config["rope_theta"], rotary["rope_theta"]);
  EXPECT_EQ(config["rope_scaling"].is_null(), rotary["rope_type"] == "default");
}

TEST(Llama, IsRefusedIfItCannotBeExpressed) {
  const auto refusal_of = [](const char* key, const nlohmann::json& value) {
    MemorySource llama = tiny_llama();
    llama.configuration[key] = value;
    try {
      from_hugging_face(llama);
    } catch (const ConfigurationError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refusal_of("rope_scaling", nullptr), "accepted");
  EXPECT_EQ(refusal_of("rope_scaling", {{"rope_type", "yarn"}}),
            "cannot convert the model: its rope_type is \"yarn\"; must be \"default\" or "
            "\"llama3\"");
  EXPECT_EQ(refusal_of("hidden_act", "gelu"),
            "cannot convert the model: its hidden_act is \"gelu\"; only \"silu\" is supported");
  EXPECT_EQ(refusal_of("rms_norm_eps", "small"),
            "cannot convert the model: rms_norm_eps in config.json is not a number");
}

TEST(TokenizerFiles, HoldEveryCharacterAndByte) {
  const auto of = [](const io::Tokenizer& tokenizer) {
    return nlohmann::json::parse(tokenizer_files(tokenizer, 64).at("tokenizer.json"));
  };
  const nlohmann::json characters = of(io::Tokenizer::characters_of("ba\n é"));
  EXPECT_EQ(characters["model"]["vocab"],
            nlohmann::json({{"\n", 0}, {" ", 1}, {"a", 2}, {"b", 3}, {"é", 4}}));
  const nlohmann::json bytes = of(io::Tokenizer::bytes());
  EXPECT_EQ(bytes["model"]["vocab"].size(), 256u);
  EXPECT_EQ(bytes["model"]["vocab"]["A"], 65);
  EXPECT_EQ(bytes["model"]["vocab"]["Ġ"], 32);
  EXPECT_TRUE(tokenizer_files(io::Tokenizer::external("gpt2", 5), 64).empty());
}

INSTANTIATE_TEST_SUITE_P(All, ForeignLlama,
                         ::testing::Values("llama", "llama_3", "qwen_2", "qwen_3"),
                         [](const auto& kind) { return kind.param; });

}  // namespace
}  // namespace ripieno::tools
