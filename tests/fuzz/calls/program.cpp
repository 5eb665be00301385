#include "fuzz/calls/program.h"

#include <cmath>
#include <limits>

#include "ripieno/core/random.h"

namespace ripieno::fuzz {
namespace {

constexpr int64_t kMaxElements = 4096;
constexpr std::size_t kTensors = 16;

using Call = void (*)(Program&);

// Operations more often than what takes longer.
constexpr Call kCalls[] = {
    call_tensor,    call_tensor,   call_tensor,   call_tensor, call_operation, call_operation,
    call_operation, call_loss,     call_autograd, call_model,  call_operation, call_autograd,
    call_parallel,  call_autograd, call_loader,   call_tensor, call_checkpoint};

}  // namespace

// SplitMix64 (Steele, Lea and Flood, 2014).
uint64_t Choice::bits() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

int64_t Choice::size() {
  if (!once_in(12)) return 1 + below(9);
  return of<int64_t>({0, 0, 16, 33, 100, -1, -7, int64_t{1} << 33, int64_t{1} << 62,
                      std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()});
}

int64_t Choice::count() {
  if (!once_in(8)) return below(9);
  return of<int64_t>({-1, 1000, int64_t{1} << 40, std::numeric_limits<int64_t>::max(),
                      std::numeric_limits<int64_t>::min()});
}

double Choice::number() {
  if (!once_in(6)) return below(2001) / 1000.0 - 0.5;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return of<double>(
      {0.0, -0.0, -1.0, 1e300, -1e300, 1e-320, 1e38, 3.5e38, kInfinity, -kInfinity, std::nan("")});
}

double Choice::fraction() { return once_in(6) ? number() : below(1000) / 1000.0; }

int Choice::axis() {
  if (!once_in(10)) return below(10) - 5;
  return of<int>({100, -100, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()});
}

Shape Choice::shape() {
  Shape shape;
  const int rank = once_in(20) ? Shape::kMaxRank : below(5);
  for (int axis = 0; axis < rank; ++axis) shape.push_back(once_in(4) ? 1 : size());
  return shape;
}

DType Choice::dtype() {
  if (once_in(40)) return static_cast<DType>(200);
  return of<DType>({DType::float32, DType::float32, DType::float32, DType::float32, DType::float64,
                    DType::bfloat16, DType::float16, DType::int32, DType::int32, DType::int64,
                    DType::uint8, DType::boolean});
}

Device Choice::device() {
  if (once_in(30)) return Device::cuda(of<int>({-1, 7, std::numeric_limits<int>::max()}));
  return once_in(4) ? Device::cuda() : Device::cpu();
}

std::string Choice::text() {
  return of<const char*>({"weight",   "0.weight", "*",    "?.bias",         "",       ".",   "..",
                          "/",        "../x",     "a/b",  "first_moment/w", "[",      "[a-", "\\",
                          "\xff\xfe", "\u00e9",   "w\nx", "%s%n",           "step_1", "a=b"});
}

Program::Program(uint64_t seed) : choice(seed), tensors_(kTensors) {
  random_context() = {.seed = seed};
  for (std::size_t i = 1; i < kTensors; ++i) {
    const DType dtype = i < 9 ? DType::float32 : i < 12 ? DType::int32 : choice.dtype();
    try {
      tensors_[i] = Tensor::full(choice.shape(), i < 9 ? 0.25 * i : i % 3, dtype);
      if (i < 4) tensors_[i].set_requires_gradient();
    } catch (const Error&) {
    }
  }
}

Tensor& Program::any() { return tensors_[choice.below(kTensors)]; }

Tensor& Program::any_of(DType dtype) {
  for (int tries = 0; tries < 8; ++tries) {
    Tensor& tensor = any();
    if (tensor.defined() && tensor.dtype() == dtype) return tensor;
  }
  return any();
}

void Program::keep(const Tensor& tensor) {
  if (tensor.defined() && tensor.elements() > kMaxElements) return;
  any() = tensor;
}

void Program::run(int calls) {
  for (int i = 0; i < calls; ++i) {
    try {
      kCalls[choice.below(std::size(kCalls))](*this);
      ++accepted_;
    } catch (const Error&) {
      ++refused_;
    }
    if (choice.once_in(8)) read_one();
  }
}

// Results must be valid memory.
void Program::read_one() {
  const Tensor& tensor = any();
  if (!tensor.defined()) return;
  try {
    tensor.to_vector<double>();
    const Tensor gradient = tensor.gradient();
    if (gradient.defined()) gradient.to_vector<double>();
  } catch (const Error&) {
    ++refused_;
  }
}

}  // namespace ripieno::fuzz
