// Operations with kernels of their own, and the layers and models made of them.
#include <cmath>

#include "parts/cases.h"
#include "parts/layer_case.h"
#include "parts/part.h"
#include "ripieno/core/autograd.h"
#include "ripieno/core/losses/linear_cross_entropy.h"
#include "ripieno/core/models/gpt.h"
#include "ripieno/core/models/mlp.h"
#include "ripieno/core/nn/apply.h"
#include "ripieno/core/nn/dropout.h"
#include "ripieno/core/nn/embedding.h"
#include "ripieno/core/nn/layer_norm.h"
#include "ripieno/core/nn/linear.h"
#include "ripieno/core/nn/prelu.h"
#include "ripieno/core/nn/sequential.h"
#include "ripieno/core/ops/attention.h"
#include "ripieno/core/ops/functions.h"
#include "ripieno/core/ops/linear_algebra.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/ops/softmax.h"

namespace ripieno::testing {
namespace {

constexpr PartKind kOperation = PartKind::operation;

Case of_all(std::string name, std::function<Tensors(const Tensors&)> function) {
  return {std::move(name), std::move(function)};
}

Part softmax_part(const char* name, Tensor (*function)(const Tensor&)) {
  return {name,
          kOperation,
          {of_one("odd_size", function), of_one("three_axes", function),
           of_one("one_element", function),
           // Numbers of about 85 are half a unit apart in 16-bit types, and those are exact.
           of_one("large_values", function), of_one("empty", function)}};
}

Case linear_case(std::string name, Activation activation) {
  return of_all(std::move(name), [=](const Tensors& x) {
    return Tensors{linear(x[0], x[1], x.size() > 2 ? x[2] : Tensor(), activation)};
  });
}

std::vector<Part> products_and_norms() {
  return {
      softmax_part("softmax", softmax),
      softmax_part("log_softmax", log_softmax),
      {"matmul",
       kOperation,
       {of_two("matrices", matmul), of_two("batch", matmul), of_two("one_matrix_for_all", matmul),
        of_two("one_element", matmul), of_two("empty_sum", matmul),
        of_two("transposed",
               [](const Tensor& a, const Tensor& b) { return matmul(a.transpose(0, 1), b); })}},
      {"linear",
       kOperation,
       {linear_case("bias", Activation::kNone), linear_case("no_bias", Activation::kNone),
        linear_case("relu", Activation::kRelu), linear_case("gelu", Activation::kGelu),
        linear_case("gelu_tanh", Activation::kGeluTanh)}},
      {"feed_forward",
       kOperation,
       {of_all("gelu",
               [](const Tensors& x) {
                 return Tensors{feed_forward(x[0], {x[1], x[2]}, {x[3], x[4]}, Activation::kGelu)};
               })}},
      {"layer_norm",
       kOperation,
       {of_three("weight_and_bias", [](const Tensor& x, const Tensor& w,
                                       const Tensor& b) { return layer_norm(x, w, b); }),
        of_one("plain", [](const Tensor& x) { return layer_norm(x); }),
        of_three("epsilon", [](const Tensor& x, const Tensor& w,
                               const Tensor& b) { return layer_norm(x, w, b, 0.25); })}},
      {"residual_norm",
       kOperation,
       {of_all("branch",
               [](const Tensors& x) {
                 const auto [total, normalized] =
                     residual_norm({.x = x[0], .branch = x[1]}, x[2], x[3]);
                 return Tensors{total, normalized};
               }),
        of_two("sum_alone",
               [](const Tensor& x, const Tensor& branch) {
                 return sum(Residual{.x = x, .branch = branch});
               })}},
  };
}

// What holds for every mask: kept elements are divided by 1 - p, the gradient has the same mask,
// and the share of the dropped ones is close to p.
Tensors facts_of_mask(const Tensor& given, double probability,
                      const std::function<Tensor(const Tensor&)>& drop) {
  const Tensor x = given.detach().clone().set_requires_gradient();
  const Tensor y = drop(x);
  sum(y).backward();
  const NoGrad no_grad;
  const Tensor kept = y != 0;
  const Tensor scaled = where(kept, y * (1 - probability) - x, 0) / x;
  const Tensor slope = where(kept, 1 / (1 - probability), Tensor::zeros({}, x.dtype(), x.device()));
  const double share = mean(kept.to(DType::float64)).item();
  const bool is_close = std::abs(share - (1 - probability)) < 0.04;
  return {scaled, x.gradient() - slope, Tensor::full({}, is_close ? 1 : 0, x.dtype())};
}

std::vector<Part> of_attention_and_tables() {
  const auto attention = [](std::string name, int64_t heads) {
    return of_one(std::move(name), [=](const Tensor& qkv) { return causal_attention(qkv, heads); });
  };
  const auto look_up = [](const Tensor& ids, const Tensor& table) { return embedding(table, ids); };
  return {
      {"causal_attention",
       kOperation,
       {attention("one_head", 1), attention("three_heads", 3), attention("one_step", 2)}},
      {"embedding",
       kOperation,
       {of_two("repeated_ids", look_up), of_two("no_ids", look_up),
        of_three("positions",
                 [](const Tensor& ids, const Tensor& table, const Tensor& positions) {
                   return embedding(table, ids, positions);
                 })}},
      {"dropout",
       kOperation,
       {of_all("mask",
               [](const Tensors& x) {
                 return facts_of_mask(x[0], 0.25,
                                      [](const Tensor& y) { return dropout(y, 0.25, 7); });
               }),
        of_one("nothing_dropped", [](const Tensor& x) { return dropout(x, 0.0, 7) * 1; })}},
      {"sum_to",
       kOperation,
       {of_one("outer_and_inner",
               [](const Tensor& x) {
                 return sum_to(x, {3, 1});
               })}},
      {"linear_cross_entropy",
       PartKind::loss,
       {of_all("ignored_target",
               [](const Tensors& x) {
                 const Loss loss = linear_cross_entropy(x[0], x[1], x[2]);
                 return Tensors{loss.sum, loss.count};
               })}},
  };
}

Part on_host(const char* name, std::vector<Case> cases) {
  Part part{name, kOperation, std::move(cases)};
  // 16-bit results are rounded, which the backward of a factorization starts from.
  for (Case& which : part.cases) which.tolerance = 10;
  part.types = {DType::float64, DType::float32};
  return part;
}

std::vector<Part> of_linear_algebra() {
  const auto of_qr = [](const Tensors& x) {
    const auto [q, r] = qr(x[0]);
    return Tensors{q, r};
  };
  const auto of_svd = [](const Tensors& x) {
    const auto [u, values, v] = svd(x[0]);
    return Tensors{u, values, v};
  };
  const auto of_eigenvalues = [](const Tensors& x) {
    const auto [values, vectors] = symmetric_eigenvalues(x[0]);
    return Tensors{values, vectors};
  };
  return {
      on_host("qr", {of_all("tall", of_qr), of_all("wide_without_gradient", of_qr),
                     of_all("batch", of_qr)}),
      on_host("cholesky", {of_one("matrix", cholesky), of_one("batch", cholesky)}),
      on_host("svd", {of_all("tall", of_svd), of_all("wide", of_svd)}),
      on_host("symmetric_eigenvalues",
              {of_all("matrix", of_eigenvalues), of_all("batch", of_eigenvalues)}),
      on_host("solve", {of_two("matrix", solve), of_two("batch", solve)}),
  };
}

std::vector<Part> layers() {
  return {
      {"Linear",
       PartKind::layer,
       {of_module("bias", constructing<nn::Linear>(7, 5)),
        of_module("no_bias", constructing<nn::Linear>(7, 5, nn::LinearOptions{.bias = false}))}},
      {"LayerNorm", PartKind::layer, {of_module("epsilon", constructing<nn::LayerNorm>(5, 0.25))}},
      {"Embedding",
       PartKind::layer,
       {of_module("repeated_ids", constructing<nn::Embedding>(5, 7))}},
      {"Dropout",
       PartKind::layer,
       {of_one("evaluation",
               [](const Tensor& x) {
                 nn::Dropout layer(0.25);
                 layer.evaluate();
                 return layer(x) * 1;
               }),
        of_all("mask",
               [](const Tensors& x) {
                 const nn::Dropout layer(0.25);
                 return facts_of_mask(x[0], 0.25, [&](const Tensor& y) { return layer(y); });
               })}},
      {"Sequential",
       PartKind::layer,
       {of_module(
           "two_layers",
           [] { return std::make_shared<nn::Sequential>(nn::Linear(7, 5), nn::Linear(5, 2)); })}},
      {"Apply",
       PartKind::layer,
       {of_module("activation_between_layers",
                  [] {
                    return std::make_shared<nn::Sequential>(nn::Linear(7, 5), nn::Apply(silu),
                                                            nn::Linear(5, 2));
                  })}},
      {"Prelu", PartKind::layer, {of_module("per_channel", constructing<nn::Prelu>(4, 0.5))}},
      {"Mlp",
       PartKind::model,
       {of_module("two_hidden_layers", constructing<nn::Mlp>(std::vector<int64_t>{7, 5, 4, 2}))}},
      {"Gpt",
       PartKind::model,
       {of_module("one_block",
                  constructing<nn::Gpt>(nn::GptOptions{
                      .vocab = 5, .layers = 1, .heads = 2, .channels = 4, .context = 6}))}},
  };
}

}  // namespace

PartList core_parts() {
  PartList list{"core", products_and_norms()};
  for (const std::vector<Part>& parts :
       {of_attention_and_tables(), of_linear_algebra(), layers()}) {
    list.parts.insert(list.parts.end(), parts.begin(), parts.end());
  }
  return list;
}

}  // namespace ripieno::testing
