// Measures how fast this host computes, for calibration files.
#pragma once

#include "ripieno/tools/calibration.h"

namespace ripieno::tools::doctor {

// Matrix products of one and of `cores` threads, and memory bandwidth: about two seconds.
struct Speeds {
  Calibration::Products gflops, gflops_of_one_core;
  double memory_gb_per_second = 0;
};
Speeds measure_speeds(int cores);

}  // namespace ripieno::tools::doctor
