// How a GPU computes products of matrices: what is allowed, and which algorithms were chosen.
//
// The first product of a shape measures what its library offers and keeps the fastest: for the
// process, and in a file for the next one (below $RIPIENO_CACHE_DIR, else $XDG_CACHE_HOME/ripieno,
// else ~/.cache/ripieno), by device and by versions of driver and library. Of these two
// algorithms may round differently, so ranks that are to compute the same bits share the choices of
// one. All of this is there, and without effect, where there is no GPU. Any thread may call.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace ripieno::kernels {

// float products may be computed in TensorFloat-32, whose factors keep ten bits of their fraction.
// At first they may not.
void allow_tf32(bool allowed);
bool tf32_is_allowed();

// Measuring takes memory and waits for the GPU: not to be done while a step is captured. Where it
// is not allowed, a shape that was not met before takes the library's guess. At first it is.
void allow_measuring(bool allowed);
bool measuring_is_allowed();

// Nothing is measured and no file is read: products take the library's guess, which is the same
// on all devices of a kind with the same versions. Choices that are given still go first.
void rely_on_guesses(bool relied_on);
bool guesses_are_relied_on();

// Whether bias, activation and their gradients may be left to the library. At first they may,
// unless RIPIENO_MATMUL_EPILOGUES=0 is in the environment: to find out who is wrong.
void allow_epilogues(bool allowed);
bool epilogues_are_allowed();

// The choices that this process has used, as text.
std::string matmul_algorithms();
// From now on the choices in `text`, which matmul_algorithms() gave, go before any other. Returns
// how many were understood; damaged lines are not. Those of another device or version have no
// effect.
int use_matmul_algorithms(std::string_view text);

// Called with a line for people where choices were lost, damaged, or are another device's. None at
// first. It must not call these functions.
void on_matmul_remark(std::function<void(std::string_view)> remark);

}  // namespace ripieno::kernels
