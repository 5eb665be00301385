#include <deque>

#include "parts/part.h"
#include "ripieno/core/nn/rms_norm.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/ops/rms_norm.h"
#include "ripieno/core/ops/rotary_embedding.h"
#include "ripieno/core/ops/swiglu.h"

namespace ripieno::testing {
namespace {

Case with_rms_norm(const std::string& name) {
  return {name, [](const Tensors& x) { return Tensors{rms_norm(x[0], x[1])}; }};
}

Case with_rotary(const std::string& name, int64_t channels, const RotaryFrequencies& frequencies,
                 int64_t first = 0) {
  return {name, [=](const Tensors& x) {
            const Tensor table = rotary_table(x[0].size(1), channels, frequencies, x[0].dtype(),
                                              x[0].device(), first);
            return Tensors{rotary_embedding(x[0], table)};
          }};
}

Case with_attention(const std::string& name, const AttentionOptions& options = {}) {
  return {name, [=](const Tensors& x) { return Tensors{attention(x[0], x[1], x[2], options)}; }};
}

Case with_documents(const std::string& name, bool causal) {
  return {name, [=](const Tensors& x) {
            return Tensors{attention(x[0], x[1], x[2],
                                     {.causal = causal, .ranges = {.first = x[3], .end = x[4]}})};
          }};
}

}  // namespace

PartList gpt_parts() {
  Case not_a_number = with_rms_norm("not_a_number");
  not_a_number.finite_differences = false;
  return {
      "gpt",
      {
          {.name = "attention",
           .cases = {with_attention("all_keys"),
                     with_attention("causal", {.causal = true}),
                     with_attention("causal_with_more_keys", {.causal = true}),
                     with_attention("causal_with_fewer_keys", {.causal = true}),
                     with_attention("cross"),
                     with_attention("grouped_queries", {.causal = true}),
                     with_attention("one_key_head"),
                     with_attention("window", {.causal = true, .window = 3}),
                     with_attention("window_of_both_sides", {.window = 2}),
                     with_attention("scale", {.scale = 1.5}),
                     with_attention("one_element"),
                     with_attention("several_tiles"),
                     with_attention("several_tiles_causal", {.causal = true, .window = 70}),
                     with_attention("long_heads"),
                     with_attention("empty"),
                     {"boolean_mask",
                      [](const Tensors& x) {
                        return Tensors{
                            attention(x[0], x[1], x[2], {.mask = x[3].to(DType::boolean)})};
                      }},
                     {"additive_mask",
                      [](const Tensors& x) {
                        return Tensors{
                            attention(x[0], x[1], x[2], {.mask = x[3].to(x[0].dtype())})};
                      }},
                     with_documents("documents", false),
                     with_documents("causal_documents", true),
                     {"padded_keys",
                      [](const Tensors& x) {
                        return Tensors{attention(x[0], x[1], x[2], {.ranges = {.end = x[3]}})};
                      }}}},
          {.name = "swiglu",
           .cases = {{"odd_size", [](const Tensors& x) { return Tensors{swiglu(x[0], x[1])}; }},
                     {"vectors", [](const Tensors& x) { return Tensors{swiglu(x[0], x[1])}; }},
                     {"empty", [](const Tensors& x) { return Tensors{swiglu(x[0], x[1])}; }}}},
          {.name = "residual_rms_norm",
           .cases = {{"odd_size",
                      [](const Tensors& x) {
                        const auto [sum, normalized] =
                            residual_rms_norm({.x = x[0], .branch = x[1]}, x[2]);
                        return Tensors{sum, normalized};
                      }}}},
          {.name = "rms_norm",
           .cases = {with_rms_norm("odd_size"),
                     with_rms_norm("vectors"),
                     with_rms_norm("one_element"),
                     {"no_weight", [](const Tensors& x) { return Tensors{rms_norm(x[0])}; }},
                     with_rms_norm("empty"),
                     with_rms_norm("many_rows"),
                     not_a_number}},
          {.name = "RmsNorm",
           .kind = PartKind::layer,
           .cases = {{"epsilon",
                      [](const Tensors& x) {
                        static std::deque<nn::RmsNorm> norms;  // until their backwards have run
                        nn::RmsNorm& norm = norms.emplace_back(x[0].size(-1), 0.25);
                        norm.to(x[0].device(), x[0].dtype());
                        return Tensors{norm(x[0])};
                      }}}},
          {.name = "rotary_embedding",
           .cases = {with_rotary("whole_head", 6, {}),
                     with_rotary("vectors", 16, {.base = 100}, 2),
                     with_rotary("part_of_a_head", 4, {}),
                     with_rotary(
                         "llama_3", 10,
                         {.base = 500, .factor = 8, .low = 1, .high = 4, .original_context = 64}),
                     {"positions",
                      [](const Tensors& x) {
                        return Tensors{
                            rotary_embedding(x[0], rotary_table(x[1], 6, {}, x[0].dtype()))};
                      }}}},
      }};
}

}  // namespace ripieno::testing
