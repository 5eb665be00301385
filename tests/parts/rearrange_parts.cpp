#include "parts/cases.h"
#include "parts/part.h"
#include "ripieno/core/ops/creators.h"
#include "ripieno/core/ops/einsum.h"
#include "ripieno/core/ops/indexing.h"
#include "ripieno/core/ops/order.h"
#include "ripieno/core/ops/rearrange.h"

namespace ripieno::testing {
namespace {

constexpr PartKind kOperation = PartKind::operation;

// A case whose inputs are given to the function as they are.
Case of_all(std::string name, std::function<Tensors(const Tensors&)> function) {
  return {std::move(name), std::move(function)};
}

Case joining(std::string name, int axis, Tensor (*join)(const Tensors&, int)) {
  return of_all(std::move(name), [=](const Tensors& x) { return Tensors{join(x, axis)}; });
}

std::vector<Part> joined_and_divided() {
  return {
      {"concat",
       kOperation,
       {joining("three_along_the_middle", 1, concat), joining("along_the_last", -1, concat),
        joining("with_an_empty_one", 0, concat), joining("one_tensor", 0, concat)}},
      {"stack",
       kOperation,
       {joining("first", 0, stack), joining("last", -1, stack), joining("scalars", 0, stack)}},
      {"split",
       kOperation,
       {of_all("sizes",
               [](const Tensors& x) {
                 return split(x[0], std::vector<int64_t>{1, 0, 4}, 2);
               }),
        of_all("equal", [](const Tensors& x) { return split(x[0], 2, 2); })}},
      {"chunk",
       kOperation,
       {of_all("uneven", [](const Tensors& x) { return chunk(x[0], 3, 2); }),
        of_all("more_than_elements", [](const Tensors& x) { return chunk(x[0], 7, 0); })}},
  };
}

std::vector<Part> moved() {
  return {
      {"pad",
       kOperation,
       {of_one("last_axis",
               [](const Tensor& x) {
                 return pad(x, {1, 2});
               }),
        of_one("two_axes_with_value",
               [](const Tensor& x) {
                 return pad(x, {1, 0, 0, 2}, Padding::constant, -1.5);
               }),
        of_one("reflect",
               [](const Tensor& x) {
                 return pad(x, {2, 3}, Padding::reflect);
               }),
        of_one("reflect_two_axes",
               [](const Tensor& x) {
                 return pad(x, {2, 1, 1, 2}, Padding::reflect);
               }),
        of_one("nothing",
               [](const Tensor& x) {
                 return pad(x, {0, 0});
               }),
        of_one("empty",
               [](const Tensor& x) {
                 return pad(x, {1, 1});
               })}},
      {"flip",
       kOperation,
       {of_one("one_axis", [](const Tensor& x) { return flip(x, 2); }),
        of_one("all_axes",
               [](const Tensor& x) {
                 return flip(x, {0, 1, -1});
               }),
        of_one("outer_axis", [](const Tensor& x) { return flip(x, 0); })}},
      {"roll",
       kOperation,
       {of_one("forward", [](const Tensor& x) { return roll(x, 2, 2); }),
        of_one("backward_beyond", [](const Tensor& x) { return roll(x, -7, 1); }),
        of_one("zero", [](const Tensor& x) { return roll(x, 5, 2); })}},
      {"repeat",
       kOperation,
       {of_one("inner",
               [](const Tensor& x) {
                 return repeat(x, {1, 2, 3});
               }),
        of_one("more_axes",
               [](const Tensor& x) {
                 return repeat(x, {2, 1, 1, 2});
               }),
        of_one("zero_times",
               [](const Tensor& x) {
                 return repeat(x, {0, 1, 1});
               })}},
      {"tril",
       kOperation,
       {of_one("main", [](const Tensor& x) { return tril(x); }),
        of_one("batch_above", [](const Tensor& x) { return tril(x, 1); }),
        of_one("below", [](const Tensor& x) { return tril(x, -2); })}},
      {"triu",
       kOperation,
       {of_one("main", [](const Tensor& x) { return triu(x); }),
        of_one("batch_below", [](const Tensor& x) { return triu(x, -1); })}},
  };
}

std::vector<Part> views() {
  return {
      {"permute",
       kOperation,
       {of_one("three_axes",
               [](const Tensor& x) {
                 return permute(x, {2, 0, 1});
               })}},
      {"transpose",
       kOperation,
       {of_one("outer", [](const Tensor& x) { return x.transpose(0, 2); })}},
      {"reshape",
       kOperation,
       {of_one("inferred",
               [](const Tensor& x) {
                 return x.reshape({5, -1});
               })}},
      {"expand",
       kOperation,
       {of_one("new_axis",
               [](const Tensor& x) {
                 return x.expand({4, 3, 5});
               })}},
      {"slice",
       kOperation,
       {of_one("middle", [](const Tensor& x) { return x.slice(1, 1, 3); }),
        of_one("steps", [](const Tensor& x) { return x.slice(2, 1, 5, 2); })}},
      {"index",
       kOperation,
       {of_all("first_and_last",
               [](const Tensors& x) {
                 return Tensors{x[0][0], x[0][-1]};
               })}},
      {"squeeze",
       kOperation,
       {of_one("all", [](const Tensor& x) { return squeeze(x); }),
        of_one("one_axis", [](const Tensor& x) { return squeeze(x, 2); })}},
      {"unsqueeze",
       kOperation,
       {of_one("middle", [](const Tensor& x) { return unsqueeze(x, 1); }),
        of_one("last", [](const Tensor& x) { return unsqueeze(x, -1); })}},
      {"unfold",
       kOperation,
       {of_one("overlapping", [](const Tensor& x) { return unfold(x, 1, 3, 2); }),
        of_one("with_a_rest", [](const Tensor& x) { return unfold(x, -1, 2, 3); })}},
  };
}

Case gathering(std::string name, int axis) {
  return of_two(std::move(name),
                [=](const Tensor& x, const Tensor& index) { return gather(x, axis, index); });
}
Case scattering(std::string name, int axis,
                Tensor (*function)(const Tensor&, int, const Tensor&, const Tensor&)) {
  return of_three(std::move(name), [=](const Tensor& x, const Tensor& index, const Tensor& source) {
    return function(x, axis, index, source);
  });
}
Case selecting(std::string name, int axis) {
  return of_two(std::move(name),
                [=](const Tensor& x, const Tensor& index) { return index_select(x, axis, index); });
}

std::vector<Part> indexed() {
  return {
      {"gather",
       kOperation,
       {gathering("last_axis_repeated", 1), gathering("first_axis", 0), gathering("int32_index", 1),
        gathering("middle_of_three", 1), gathering("one_axis", 0), gathering("empty", 1)}},
      {"scatter",
       kOperation,
       {scattering("distinct", 1, scatter), scattering("first_axis", 0, scatter),
        scattering("repeated_last_counts", 1, scatter)}},
      {"scatter_add",
       kOperation,
       {scattering("repeated", 1, scatter_add), scattering("one_place", 0, scatter_add),
        scattering("first_axis", 0, scatter_add)}},
      {"index_select",
       kOperation,
       {selecting("rows_repeated", 0), selecting("columns", 1), selecting("middle", 1),
        selecting("int32_index", 1), selecting("none", 0)}},
      integer_part("one_hot",
                   {of_one("matrix", [](const Tensor& x) { return one_hot(x, 7); }),
                    of_one("floating_point",
                           [](const Tensor& x) { return one_hot(x, 7, DType::float32); })}),
  };
}

Tensors pair_of(const Sorted& sorted) { return {sorted.values, sorted.indices}; }

Case sorting(std::string name, int axis, bool descending = false) {
  return of_all(std::move(name),
                [=](const Tensors& x) { return pair_of(sort(x[0], axis, descending)); });
}

Part extreme_part(const char* name, Tensor (*along)(const Tensor&, int, bool),
                  Tensor (*of_all_elements)(const Tensor&)) {
  return {name,
          kOperation,
          {of_one("last_axis", [=](const Tensor& x) { return along(x, -1, false); }),
           of_one("middle_kept", [=](const Tensor& x) { return along(x, 1, true); }),
           of_one("all", of_all_elements),
           of_one("nan", [=](const Tensor& x) { return along(x, 1, false); }),
           of_one("integers", [=](const Tensor& x) { return along(x, 1, false); }),
           of_one("ties", [=](const Tensor& x) { return along(x, 1, false); })}};
}

std::vector<Part> ordered() {
  return {
      {"sort",
       kOperation,
       {sorting("last_axis", -1), sorting("descending_with_ties", -1, true),
        // A difference changes the order of equal elements.
        sorting("ascending_with_ties", -1), sorting("first_axis", 0), sorting("special", -1),
        sorting("special_descending", -1, true), sorting("one_element", -1), sorting("empty", -1),
        sorting("integers", -1)}},
      {"argsort", kOperation, {of_one("ties", [](const Tensor& x) { return argsort(x, -1); })}},
      {"top_k",
       kOperation,
       {of_all("largest", [](const Tensors& x) { return pair_of(top_k(x[0], 5)); }),
        of_all("smallest_of_an_axis",
               [](const Tensors& x) { return pair_of(top_k(x[0], 3, 0, false)); }),
        of_all("none", [](const Tensors& x) { return pair_of(top_k(x[0], 0)); })}},
      extreme_part("argmax", argmax, argmax),
      extreme_part("argmin", argmin, argmin),
      {"cumsum",
       kOperation,
       {of_one("last_axis", [](const Tensor& x) { return cumsum(x, -1); }),
        of_one("first_axis", [](const Tensor& x) { return cumsum(x, 0); }),
        of_one("integers", [](const Tensor& x) { return cumsum(x, 1); }),
        of_one("empty", [](const Tensor& x) { return cumsum(x, -1); })}},
  };
}

Case contraction(std::string name, std::string expression) {
  return of_all(std::move(name), [=](const Tensors& x) { return Tensors{einsum(expression, x)}; });
}

// Creates a tensor of the type and device of its input.
Case created(std::string name, std::function<Tensor(DType, Device)> create) {
  return of_one(std::move(name),
                [=](const Tensor& like) { return create(like.dtype(), like.device()); });
}

std::vector<Part> contracted_and_created() {
  return {
      {"einsum",
       kOperation,
       {contraction("matrix_product", "ij,jk->ik"), contraction("batch_transposed", "bij,bkj->bik"),
        contraction("attention_scores", "bqhd,bkhd->bhqk"), contraction("outer", "i,j->ij"),
        contraction("dot", "i,i->"), contraction("own_letters_are_summed", "ija,jkb->ki"),
        contraction("one_tensor", "ijk -> ki"), contraction("elementwise", "ij,ij->ij")}},
      {"full", kOperation, {of_one("values", [](const Tensor& x) { return full_like(x, 1.5); })}},
      {"zeros", kOperation, {of_one("values", zeros_like)}},
      {"ones", kOperation, {of_one("values", ones_like)}},
      {"arange",
       kOperation,
       {created("values", [](DType t, Device d) { return Tensor::arange(2, 17, 4, t, d); }),
        created("floating_point",
                [](DType t, Device d) { return Tensor::arange(0.5, 2.0, 0.25, t, d); }),
        created("backward_in_steps",
                [](DType t, Device d) { return Tensor::arange(5, -4, -3, t, d); })}},
      {"linspace",
       kOperation,
       {created("values", [](DType t, Device d) { return Tensor::linspace(-1, 2, 7, t, d); }),
        created("one", [](DType t, Device d) { return Tensor::linspace(3, 5, 1, t, d); })}},
      {"eye",
       kOperation,
       {created("values", [](DType t, Device d) { return Tensor::eye(3, 5, t, d); })}},
  };
}

}  // namespace

PartList rearrange_parts() {
  PartList list{"rearrange", joined_and_divided()};
  for (std::vector<Part>& parts : std::vector<std::vector<Part>>{
           moved(), views(), indexed(), ordered(), contracted_and_created()}) {
    for (Part& part : parts) {
      for (Case& which : part.cases) {
        if (which.name.find("with_ties") != std::string::npos) which.finite_differences = false;
      }
      list.parts.push_back(std::move(part));
    }
  }
  return list;
}

}  // namespace ripieno::testing
