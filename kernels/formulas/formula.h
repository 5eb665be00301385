// Macros that expand a list of element-wise formulas to an enum, a type per formula, and dispatch
// on the enum.
//
// A list is a macro that applies its argument to each (Name, value, derivative). The expressions
// use x, its type A (float or double), y (in derivatives: the value at x), and Math, the elementary
// functions of the backend: cpu::Math or cuda::Math. Everything is generated from the list, so no
// switch can miss a formula.
#pragma once

// Formulas are device functions in CUDA sources and host functions elsewhere.
#ifdef __CUDACC__
#define RIPIENO_FORMULA __device__
#else
#define RIPIENO_FORMULA inline
#endif

#define RIPIENO_FORMULA_ENUMERATOR(name, ...) k##name,

#define RIPIENO_FORMULA_CASE(name, ...) \
  case k##name:                         \
    return body(name<Math>{});

#define RIPIENO_FORMULA_VALUE_CASE(name, ...) \
  case k##name:                               \
    return name<Math>::value(numbers...);

// A formula of one variable and its derivative.
#define RIPIENO_UNARY_FORMULA(name, value_at_x, derivative_at_x) \
  template <typename Math>                                       \
  struct name {                                                  \
    template <typename A>                                        \
    RIPIENO_FORMULA static A value(A x) {                        \
      return value_at_x;                                         \
    }                                                            \
    template <typename A>                                        \
    RIPIENO_FORMULA static A derivative([[maybe_unused]] A x) {  \
      [[maybe_unused]] const A y = value(x);                     \
      return derivative_at_x;                                    \
    }                                                            \
  };

// A formula of two variables; its derivatives are operations in core.
#define RIPIENO_BINARY_FORMULA(name, value_at_a_and_b) \
  template <typename Math>                             \
  struct name {                                        \
    template <typename A>                              \
    RIPIENO_FORMULA static A value(A a, A b) {         \
      return value_at_a_and_b;                         \
    }                                                  \
  };
