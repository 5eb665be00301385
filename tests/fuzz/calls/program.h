// Program: a random sequence of public calls with valid and invalid arguments, a function of its
// seed. Each call must return or throw ripieno::Error; under sanitizers nothing else may happen.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "ripieno/core/tensor.h"

namespace ripieno::fuzz {

// Numbers that depend on the seed only.
class Choice {
 public:
  explicit Choice(uint64_t seed) : state_(seed) {}
  uint64_t bits();
  int below(int bound) { return static_cast<int>(bits() % static_cast<uint64_t>(bound)); }
  // True once in `times`.
  bool once_in(int times) { return below(times) == 0; }
  template <typename T>
  T of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<int>(values.size()))];
  }

  // Mostly a valid argument, sometimes an extreme one.
  int64_t size();      // 1 .. 9; 0, 33, 100; negative; too large to multiply
  int64_t count();     // like size(), but of a number that bounds no memory
  double number();     // about 1; 0, negative, huge, tiny, infinite, NaN
  double fraction();   // in [0, 1), or number()
  int axis();          // -5 .. 4, or far outside
  Shape shape();       // of up to 4 axes, small more often than not
  DType dtype();       // float32 more often than others, or not a DType
  Device device();     // the CPU, a GPU, or one that does not exist
  std::string text();  // names, patterns, paths, and bytes that are not UTF-8

 private:
  uint64_t state_;
};

class Program {
 public:
  explicit Program(uint64_t seed);

  // Runs `calls` calls. Throws what a call throws, if that is not an Error.
  void run(int calls);
  int accepted() const { return accepted_; }
  int refused() const { return refused_; }

  Choice choice;

  // One of the tensors, which may be undefined.
  Tensor& any();
  // One of the tensors with that element type, or any.
  Tensor& any_of(DType dtype);
  // Adds a tensor, unless it is too large to calculate with; replaces an old one.
  void keep(const Tensor& tensor);

 private:
  void read_one();

  std::vector<Tensor> tensors_;
  int accepted_ = 0, refused_ = 0;
};

// Each makes one random call.
void call_tensor(Program& program);
void call_operation(Program& program);
void call_loss(Program& program);
void call_autograd(Program& program);
// These make several, with objects of their own.
void call_model(Program& program);
void call_parallel(Program& program);
void call_loader(Program& program);
void call_checkpoint(Program& program);

}  // namespace ripieno::fuzz
