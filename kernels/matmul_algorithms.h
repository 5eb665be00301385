// Choices of algorithms for matrix products on a GPU: querying, sharing and overriding them.
//
// If numerics.h allows it, the first product of a shape measures the library's algorithms and keeps
// the fastest, in memory and in a file for later processes (in $RIPIENO_CACHE_DIR, else
// $XDG_CACHE_HOME/ripieno, else ~/.cache/ripieno), separately for each device model and for each
// version of driver and library. Two algorithms may round differently, so ranks that must compute
// bitwise identical results use the choices of one rank. Without a GPU these functions have no
// effect. Thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace ripieno::kernels {

// The library that computes matrix products on a GPU, for people: "cuBLASLt 13.1.0".
std::string matmul_library();

// The choices that this process has used or was given, as text; empty if there are none.
std::string matmul_algorithms();
// Makes the choices in `text`, a result of matmul_algorithms(), take precedence over all others.
// Returns the number of choices that were parsed; damaged lines are skipped. Choices for another
// device or version have no effect.
int use_matmul_algorithms(std::string_view text);

// Sets a callback that receives a human-readable line when choices are lost, damaged or for another
// device. None by default. It must not call the functions of this header.
void on_matmul_remark(std::function<void(std::string_view)> remark);

}  // namespace ripieno::kernels
