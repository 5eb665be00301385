// soft_cap: cap · tanh(x / cap), a smooth limit to the size of numbers. On the device of x, with
// gradients.
#pragma once

#include <ripieno/core/tensor.h>

ripieno::Tensor soft_cap(const ripieno::Tensor& x, double cap);
