// Losses: each case returns a sum and a count.
#include "parts/part.h"
#include "ripieno/core/losses/cross_entropy.h"
#include "ripieno/core/losses/embedding_losses.h"
#include "ripieno/core/losses/mse.h"
#include "ripieno/core/losses/pointwise.h"

namespace ripieno::testing {
namespace {

Tensors both(const Loss& loss) { return {loss.sum, loss.count}; }

// With class weights as the third input, if there are any.
std::function<Tensors(const Tensors&)> smoothed(double smoothing) {
  return [smoothing](const Tensors& x) {
    const Tensor weights = x.size() > 2 ? x[2] : Tensor();
    return both(
        cross_entropy(x[0], x[1], {.label_smoothing = smoothing, .class_weights = weights}));
  };
}

Tensors likelihood(const Tensors& x) {
  return both(
      negative_log_likelihood(x[0], x[1], {.class_weights = x.size() > 2 ? x[2] : Tensor()}));
}

// With weights as the third input, if there are any. Some have kinks.
template <typename Function>
Part pointwise(const std::string& name, Function function) {
  const auto call = [function](const Tensors& x) {
    return both(function(x[0], x[1], PointwiseOptions{x.size() > 2 ? x[2] : Tensor()}));
  };
  const auto plain = [function](const Tensors& x) {
    return both(function(x[0], x[1], PointwiseOptions{}));
  };
  return {.name = name,
          .kind = PartKind::loss,
          .cases = {{"plain", plain},
                    {.name = "masked", .call = call, .finite_differences = false},
                    {"one_element", plain},
                    {.name = "empty", .call = plain, .finite_differences = false}}};
}

Tensors binary(const Tensors& x, bool weighs_positives) {
  const Tensor third = x.size() > 2 ? x[2] : Tensor();
  BinaryCrossEntropyOptions options;
  (weighs_positives ? options.positive_weights : options.weights) = third;
  return both(binary_cross_entropy_with_logits(x[0], x[1], options));
}

std::vector<Part> pointwise_parts() {
  std::vector<Part> parts = {
      pointwise("mse_loss", mse_loss), pointwise("l1_loss", l1_loss),
      pointwise("huber_loss", [](const Tensor& x, const Tensor& y,
                                 const PointwiseOptions& o) { return huber_loss(x, y, 0.75, o); }),
      pointwise("smooth_l1_loss", [](const Tensor& x, const Tensor& y, const PointwiseOptions& o) {
        return smooth_l1_loss(x, y, 0.75, o);
      })};
  parts[0].cases.push_back({.name = "long",
                            .call = [](const Tensors& x) { return both(mse_loss(x[0], x[1])); },
                            .finite_differences = false});
  parts[3].cases.push_back(
      {"without_width", [](const Tensors& x) { return both(smooth_l1_loss(x[0], x[1], 0.0)); }});
  return parts;
}

}  // namespace

PartList loss_parts() {
  const auto binary_plain = [](const Tensors& x) { return binary(x, false); };
  const auto binary_positive = [](const Tensors& x) { return binary(x, true); };
  PartList list = {
      "loss",
      {{.name = "cross_entropy",
        .kind = PartKind::loss,
        .cases =
            {{"classes", [](const Tensors& x) { return both(cross_entropy(x[0], x[1])); }},
             {"smoothing", smoothed(0.125)},
             {.name = "weights", .call = smoothed(0.0), .finite_differences = false},
             {.name = "weights_and_smoothing", .call = smoothed(0.25), .finite_differences = false},
             {"probabilities", smoothed(0.0)},
             {.name = "probabilities_weights_and_smoothing",
              .call = smoothed(0.25),
              .finite_differences = false},
             {"one_class", smoothed(0.5)},
             {"all_ignored", smoothed(0.5)}}},
       {.name = "negative_log_likelihood",
        .kind = PartKind::loss,
        .cases = {{"classes", likelihood},
                  {.name = "weights", .call = likelihood, .finite_differences = false}}},
       {.name = "binary_cross_entropy_with_logits",
        .kind = PartKind::loss,
        .cases =
            {{"plain", binary_plain},
             {.name = "masked", .call = binary_plain, .finite_differences = false},
             {.name = "positive_weights", .call = binary_positive, .finite_differences = false},
             {.name = "one_positive_weight",
              .call = binary_positive,
              .finite_differences = false}}},
       {.name = "kl_divergence",
        .kind = PartKind::loss,
        .cases =
            {{"probabilities", [](const Tensors& x) { return both(kl_divergence(x[0], x[1])); }},
             {"logarithms", [](const Tensors& x) { return both(kl_divergence(x[0], x[1], true)); }},
             {.name = "zero_probability",
              .call = [](const Tensors& x) { return both(kl_divergence(x[0], x[1].detach())); },
              .finite_differences = false}}},
       {.name = "cosine_similarity",
        .cases = {{"rows", [](const Tensors& x) { return Tensors{cosine_similarity(x[0], x[1])}; }},
                  {.name = "one_channel",
                   .call = [](const Tensors& x) { return Tensors{cosine_similarity(x[0], x[1])}; },
                   .tolerance = 2.0}}},
       {.name = "cosine_embedding_loss",
        .kind = PartKind::loss,
        .cases = {{"margin",
                   [](const Tensors& x) {
                     return both(cosine_embedding_loss(x[0], x[1], x[2], 0.125));
                   }}}},
       {.name = "triplet_margin_loss",
        .kind = PartKind::loss,
        .cases = {{"plain",
                   [](const Tensors& x) { return both(triplet_margin_loss(x[0], x[1], x[2])); }},
                  {"swapped",
                   [](const Tensors& x) {
                     return both(
                         triplet_margin_loss(x[0], x[1], x[2], {.margin = 2.0, .swap = true}));
                   }}}},
       {.name = "info_nce",
        .kind = PartKind::loss,
        .cases = {
            {"queries",
             [](const Tensors& x) { return both(info_nce(x[0], x[1], {.temperature = 0.5})); }},
            {"symmetric", [](const Tensors& x) {
               return both(info_nce(x[0], x[1], {.temperature = 0.5, .symmetric = true}));
             }}}}}};
  for (Part& part : pointwise_parts()) list.parts.push_back(std::move(part));
  return list;
}

}  // namespace ripieno::testing
