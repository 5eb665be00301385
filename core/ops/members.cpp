// The members of Tensor that are free functions of core/ops, and in-place arithmetic.
#include <fmt/format.h>

#include "ripieno/core/autograd.h"
#include "ripieno/core/ops/arithmetic.h"
#include "ripieno/core/ops/functions.h"
#include "ripieno/core/ops/matmul.h"
#include "ripieno/core/ops/order.h"
#include "ripieno/core/ops/reduce.h"
#include "ripieno/core/tensor_implementation.h"

namespace ripieno {

Tensor Tensor::sum() const { return ripieno::sum(*this); }
Tensor Tensor::sum(const Axes& axes, bool keep) const { return ripieno::sum(*this, axes, keep); }
Tensor Tensor::mean() const { return ripieno::mean(*this); }
Tensor Tensor::mean(const Axes& axes, bool keep) const { return ripieno::mean(*this, axes, keep); }
Tensor Tensor::var() const { return ripieno::var(*this); }
Tensor Tensor::var(const Axes& axes, double correction, bool keep) const {
  return ripieno::var(*this, axes, correction, keep);
}
Tensor Tensor::max() const { return ripieno::max(*this); }
Tensor Tensor::max(const Axes& axes, bool keep) const { return ripieno::max(*this, axes, keep); }
Tensor Tensor::min() const { return ripieno::min(*this); }
Tensor Tensor::min(const Axes& axes, bool keep) const { return ripieno::min(*this, axes, keep); }
Tensor Tensor::product() const { return ripieno::product(*this); }
Tensor Tensor::product(const Axes& axes, bool keep) const {
  return ripieno::product(*this, axes, keep);
}
Tensor Tensor::norm() const { return ripieno::norm(*this); }
Tensor Tensor::norm(const Axes& axes, double p, bool keep) const {
  return ripieno::norm(*this, axes, p, keep);
}
Tensor Tensor::any() const { return ripieno::any(*this); }
Tensor Tensor::all() const { return ripieno::all(*this); }
Tensor Tensor::argmax(int axis, bool keep) const { return ripieno::argmax(*this, axis, keep); }
Tensor Tensor::argmin(int axis, bool keep) const { return ripieno::argmin(*this, axis, keep); }
Tensor Tensor::abs() const { return ripieno::abs(*this); }
Tensor Tensor::exp() const { return ripieno::exp(*this); }
Tensor Tensor::log() const { return ripieno::log(*this); }
Tensor Tensor::sqrt() const { return ripieno::sqrt(*this); }
Tensor Tensor::pow(double exponent) const { return ripieno::pow(*this, exponent); }
Tensor Tensor::clamp(double low, double high) const { return ripieno::clamp(*this, low, high); }
Tensor Tensor::matmul(const Tensor& other) const { return ripieno::matmul(*this, other); }

namespace {

const Tensor* defined_tensor(const Tensor& x) { return &x; }
const Tensor* defined_tensor(double) { return nullptr; }

bool has_gradient(const Tensor& x) { return x.defined() && x.requires_gradient(); }
bool has_gradient(double) { return false; }

// Checks that `result` can replace x.
void require_same_kind(const char* operation, const Tensor& x, const Tensor& result) {
  if (result.shape() == x.shape() && result.dtype() == x.dtype()) return;
  fail(fmt::format("{}: x is {}, the result would be {}; they must have the same shape and type",
                   operation, describe(x), describe(result)));
}

// Whether two dense tensors of one shape are the same elements, or share no memory. Others may
// overlap, so that an element would be read after it was written.
bool same_or_separate(const Tensor& x, const Tensor& other) {
  TensorImplementation &a = x.implementation(), &b = other.implementation();
  a.require_memory();
  b.require_memory();
  return a.storage != b.storage || a.offset == b.offset;
}

// x op= other, without recording.
template <typename Other, typename Compute>
void write(const char* operation, const Tensor& x, const Other& other, const Compute& compute) {
  const NoGrad no_grad;
  const Tensor* const tensor = defined_tensor(other);
  const bool adds = std::string_view(operation) == "+=";
  if (adds && tensor && tensor->defined() && x.is_dense() && tensor->is_dense() &&
      x.shape() == tensor->shape() && x.dtype() == tensor->dtype() &&
      x.device() == tensor->device() && is_floating_point(x.dtype()) &&
      same_or_separate(x, *tensor)) {
    return add_into(x, *tensor);
  }
  const Tensor result = compute();
  require_same_kind(operation, x, result);
  Tensor(x).copy_from(result);
}

template <typename Other, typename Compute>
Tensor& assign(const char* operation, Tensor& x, const Other& other, const Compute& compute) {
  const bool is_recorded = autograd::recording() && (x.requires_gradient() || has_gradient(other));
  if (!is_recorded) {
    write(operation, x, other, compute);
    return x;
  }
  if (x.requires_gradient() && x.implementation().node == nullptr) {
    fail(
        fmt::format("{}: x is a leaf that requires a gradient, such as a parameter, and cannot be "
                    "changed while recording is enabled; use NoGrad",
                    operation));
  }
  const Tensor result = compute();
  require_same_kind(operation, x, result);
  x = result;
  return x;
}

template <typename Other, typename Compute>
void assign_view(const char* operation, const Tensor& x, const Other& other,
                 const Compute& compute) {
  if (autograd::recording() && (x.requires_gradient() || has_gradient(other))) {
    fail(
        fmt::format("{}: the change of a view cannot be recorded; use NoGrad, or concat() or "
                    "scatter() to compute a new tensor",
                    operation));
  }
  write(operation, x, other, compute);
}

}  // namespace

Tensor& Tensor::operator+=(const Tensor& other) & {
  return assign("+=", *this, other, [&] { return *this + other; });
}
Tensor& Tensor::operator-=(const Tensor& other) & {
  return assign("-=", *this, other, [&] { return *this - other; });
}
Tensor& Tensor::operator*=(const Tensor& other) & {
  return assign("*=", *this, other, [&] { return *this * other; });
}
Tensor& Tensor::operator/=(const Tensor& other) & {
  return assign("/=", *this, other, [&] { return *this / other; });
}
Tensor& Tensor::operator+=(double other) & {
  return assign("+=", *this, other, [&] { return *this + other; });
}
Tensor& Tensor::operator-=(double other) & {
  return assign("-=", *this, other, [&] { return *this - other; });
}
Tensor& Tensor::operator*=(double other) & {
  return assign("*=", *this, other, [&] { return *this * other; });
}
Tensor& Tensor::operator/=(double other) & {
  return assign("/=", *this, other, [&] { return *this / other; });
}

void Tensor::operator+=(const Tensor& other) && {
  assign_view("+=", *this, other, [&] { return *this + other; });
}
void Tensor::operator-=(const Tensor& other) && {
  assign_view("-=", *this, other, [&] { return *this - other; });
}
void Tensor::operator*=(const Tensor& other) && {
  assign_view("*=", *this, other, [&] { return *this * other; });
}
void Tensor::operator/=(const Tensor& other) && {
  assign_view("/=", *this, other, [&] { return *this / other; });
}
void Tensor::operator+=(double other) && {
  assign_view("+=", *this, other, [&] { return *this + other; });
}
void Tensor::operator-=(double other) && {
  assign_view("-=", *this, other, [&] { return *this - other; });
}
void Tensor::operator*=(double other) && {
  assign_view("*=", *this, other, [&] { return *this * other; });
}
void Tensor::operator/=(double other) && {
  assign_view("/=", *this, other, [&] { return *this / other; });
}

}  // namespace ripieno
