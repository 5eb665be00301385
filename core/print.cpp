#include "ripieno/core/print.h"

#include <algorithm>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "ripieno/core/autograd.h"

namespace ripieno {
namespace {

constexpr int64_t kMaxElements = 1000;  // a larger tensor is shortened
constexpr int64_t kEdge = 3;            // elements at either end of a shortened axis
constexpr std::size_t kLineWidth = 80;

// The first and the last kEdge elements along an axis that has more than those.
Tensor edges_of(const Tensor& x, int axis) {
  const int64_t size = x.size(axis);
  if (size <= 2 * kEdge) return x;
  Shape shape = x.shape();
  shape[axis] = 2 * kEdge;
  const Tensor edges(shape, x.dtype(), x.device());
  edges.slice(axis, 0, kEdge).copy_from(x.slice(axis, 0, kEdge));
  edges.slice(axis, kEdge, 2 * kEdge).copy_from(x.slice(axis, size - kEdge, size));
  return edges;
}

// The elements as text, right-aligned, in the format of `stream`.
std::vector<std::string> texts_of(const Tensor& x, const std::ostream& stream) {
  std::vector<std::string> texts;
  std::ostringstream format;
  format.copyfmt(stream);
  format.width(0);
  if (x.dtype() == DType::boolean) format << std::boolalpha;
  const auto add_all = [&](const auto& values) {
    for (const auto value : values) {
      format.str({});
      if (x.dtype() == DType::boolean) {
        format << (value != 0);
      } else {
        format << value;
      }
      texts.push_back(format.str());
    }
  };
  if (is_floating_point(x.dtype())) {
    add_all(x.to_vector<double>());
  } else {
    add_all(x.to_vector<int64_t>());
  }
  std::size_t width = 0;
  for (const std::string& text : texts) width = std::max(width, text.size());
  for (std::string& text : texts) text.insert(0, width - text.size(), ' ');
  return texts;
}

class Brackets {
 public:
  Brackets(const Tensor& x, const std::ostream& stream) : whole_(x.shape()), shown_(x) {
    if (x.elements() > kMaxElements) {
      for (int axis = 0; axis < x.rank(); ++axis) shown_ = edges_of(shown_, axis);
    }
    texts_ = texts_of(shown_, stream);
  }

  std::string text() {
    if (texts_.empty()) return "[]";
    add_axis(0);
    return std::move(text_);
  }

 private:
  // Adds the next elements: those of this axis and the inner ones.
  void add_axis(int axis) {
    if (axis == whole_.rank()) {
      text_ += texts_[next_++];
      return;
    }
    text_ += '[';
    const int64_t size = shown_.size(axis);
    for (int64_t i = 0; i < size; ++i) {
      if (i > 0) add_separator(axis);
      if (i == kEdge && size < whole_[axis]) {
        text_ += "...";
        add_separator(axis);
      }
      add_axis(axis + 1);
    }
    text_ += ']';
  }

  // Between rows a line break, between matrices an empty line, and so on; between numbers a line
  // break only where the line is full.
  void add_separator(int axis) {
    const int inner_axes = whole_.rank() - 1 - axis;
    text_ += ',';
    if (inner_axes == 0 && text_.size() - line_begin_ + texts_[0].size() + 2 <= kLineWidth) {
      text_ += ' ';
      return;
    }
    text_.append(static_cast<std::size_t>(std::max(inner_axes, 1)), '\n');
    line_begin_ = text_.size();
    text_.append(static_cast<std::size_t>(axis) + 1, ' ');
  }

  const Shape whole_;
  Tensor shown_;
  std::vector<std::string> texts_;
  std::size_t next_ = 0;  // index in texts_
  std::string text_;
  std::size_t line_begin_ = 0;
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) {
  if (!tensor.defined()) return out << describe(tensor);
  const NoGrad no_grad;
  return out << Brackets(tensor, out).text() + ' ' + describe(tensor);
}

}  // namespace ripieno
