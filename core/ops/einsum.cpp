#include "ripieno/core/ops/einsum.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string>

#include "ripieno/core/operands.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/reduce.h"

namespace ripieno {
namespace {

struct Expression {
  std::vector<std::string> inputs;
  std::string result;
};

[[noreturn]] void fail_expression(std::string_view expression, const std::string& reason) {
  fail(fmt::format("einsum: \"{}\": {}", expression, reason));
}

void require_letters(std::string_view expression, const std::string& letters) {
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (!std::isalpha(static_cast<unsigned char>(letters[i]))) {
      fail_expression(expression, fmt::format("'{}' is not a letter", letters[i]));
    }
    if (letters.find(letters[i], i + 1) != std::string::npos) {
      fail_expression(expression, fmt::format("'{}' occurs twice in \"{}\"; diagonals are not "
                                              "supported",
                                              letters[i], letters));
    }
  }
}

Expression parsed(std::string_view text) {
  std::string compact;
  std::copy_if(text.begin(), text.end(), std::back_inserter(compact),
               [](char c) { return c != ' '; });
  const std::size_t arrow = compact.find("->");
  if (arrow == std::string::npos) {
    fail_expression(text, "it has no \"->\" with the letters of the result");
  }
  Expression expression;
  expression.result = compact.substr(arrow + 2);
  std::string inputs = compact.substr(0, arrow);
  for (std::size_t comma; (comma = inputs.find(',')) != std::string::npos;) {
    expression.inputs.push_back(inputs.substr(0, comma));
    inputs.erase(0, comma + 1);
  }
  expression.inputs.push_back(inputs);
  for (const std::string& letters : expression.inputs) require_letters(text, letters);
  require_letters(text, expression.result);
  return expression;
}

bool has(const std::string& letters, char letter) {
  return letters.find(letter) != std::string::npos;
}

// x, whose axes are `letters`, with axes in the order of `wanted`, which has the same letters.
Tensor ordered(const Tensor& x, const std::string& letters, const std::string& wanted) {
  std::vector<int> axes;
  for (const char letter : wanted) axes.push_back(static_cast<int>(letters.find(letter)));
  return x.permute(Axes(std::span<const int>(axes)));
}

// Sums over the letters that no other part of the expression has.
Tensor without_own_letters(const Tensor& x, std::string& letters, const std::string& others) {
  std::vector<int> axes;
  std::string rest;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    if (has(others, letters[i])) {
      rest += letters[i];
    } else {
      axes.push_back(static_cast<int>(i));
    }
  }
  if (axes.empty()) return x;
  letters = rest;
  return sum(x, Axes(std::span<const int>(axes)));
}

using Sizes = std::map<char, int64_t>;

void check_sizes(std::string_view text, const Expression& expression,
                 const std::vector<Tensor>& tensors, Sizes& sizes) {
  if (expression.inputs.size() != tensors.size() || tensors.empty() || tensors.size() > 2) {
    fail_expression(text, fmt::format("it names {} tensors, and {} were given; requires one or two",
                                      expression.inputs.size(), tensors.size()));
  }
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string& letters = expression.inputs[i];
    if (!tensors[i].defined()) fail_expression(text, fmt::format("tensor {} is undefined", i));
    if (static_cast<int>(letters.size()) != tensors[i].rank()) {
      fail_expression(text, fmt::format("tensor {} is {}, but \"{}\" has {} letters", i,
                                        to_string(tensors[i].shape()), letters, letters.size()));
    }
    for (int axis = 0; axis < tensors[i].rank(); ++axis) {
      const int64_t size = tensors[i].shape()[axis];
      const auto [found, is_new] = sizes.try_emplace(letters[static_cast<std::size_t>(axis)], size);
      if (is_new || found->second == size) continue;
      fail_expression(text, fmt::format("'{}' has sizes {} and {}; they must match", found->first,
                                        found->second, size));
    }
  }
  for (const char letter : expression.result) {
    if (!sizes.contains(letter)) {
      fail_expression(text, fmt::format("'{}' of the result is in no tensor", letter));
    }
  }
}

int64_t product_of(const std::string& letters, const Sizes& sizes) {
  int64_t product = 1;
  for (const char letter : letters) product *= sizes.at(letter);
  return product;
}

}  // namespace

Tensor einsum(std::string_view text, const std::vector<Tensor>& tensors) {
  Expression expression = parsed(text);
  Sizes sizes;
  check_sizes(text, expression, tensors, sizes);
  std::string& a = expression.inputs[0];
  if (tensors.size() == 1) {
    const Tensor rest = without_own_letters(tensors[0], a, expression.result);
    return ordered(rest, a, expression.result);
  }
  std::string& b = expression.inputs[1];
  require_one_type("einsum", {{"tensor 0", tensors[0]}, {"tensor 1", tensors[1]}});
  const Tensor left = without_own_letters(tensors[0], a, b + expression.result);
  const Tensor right = without_own_letters(tensors[1], b, a + expression.result);
  // Letters by where they occur: batch in both and the result, contracted in both only.
  std::string batch, contracted, of_a, of_b;
  for (const char letter : a) {
    (!has(b, letter) ? of_a : has(expression.result, letter) ? batch : contracted) += letter;
  }
  for (const char letter : b) {
    if (!has(a, letter)) of_b += letter;
  }
  const int64_t batches = product_of(batch, sizes), inner = product_of(contracted, sizes);
  const int64_t rows = product_of(of_a, sizes), columns = product_of(of_b, sizes);
  const Tensor product =
      matmul(ordered(left, a, batch + of_a + contracted).reshape({batches, rows, inner}),
             ordered(right, b, batch + contracted + of_b).reshape({batches, inner, columns}));
  const std::string letters = batch + of_a + of_b;
  Shape shape;
  for (const char letter : letters) shape.push_back(sizes.at(letter));
  return ordered(product.reshape(shape), letters, expression.result);
}

}  // namespace ripieno
