// Which algorithms a GPU computes matrix products with: what was chosen, and choices that are
// given.
//
// The first product of a shape measures what its library offers and keeps the fastest, where that
// is allowed (numerics.h): for the process, and in a file for the next one (below
// $RIPIENO_CACHE_DIR, else $XDG_CACHE_HOME/ripieno, else ~/.cache/ripieno), by device and by
// versions of driver and library. Of these two algorithms may round differently, so ranks that are
// to compute the same bits share the choices of one. All of this is there, and without effect,
// where there is no GPU. Any thread may call.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace ripieno::kernels {

// The choices that this process has used or was given, as text; empty where there are none.
std::string matmul_algorithms();
// From now on the choices in `text`, which matmul_algorithms() gave, go before any other. Returns
// how many were understood; damaged lines are not. Those of another device or version have no
// effect.
int use_matmul_algorithms(std::string_view text);

// Called with a line for people where choices were lost, damaged, or are another device's. None at
// first. It must not call these functions.
void on_matmul_remark(std::function<void(std::string_view)> remark);

}  // namespace ripieno::kernels
