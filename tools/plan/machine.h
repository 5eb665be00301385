// Machine: the speed and the memory of a device, its host, and the links between them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ripieno/core/dtype.h"

namespace ripieno::tools::plan {

// An all-reduce of n bytes among r ends takes 2 steps(r) latency_seconds + 2 (r - 1) / r * n /
// bytes_per_second; a reduce-scatter and an all-gather half of it each (communication.h).
struct Link {
  double latency_seconds = 0;   // one way
  double bytes_per_second = 0;  // in each direction
};

// Seconds of a step that was measured on one rank, without communication, while as many ranks as
// the plan has on a host were computing.
struct MeasuredStep {
  int64_t rows = 0;                  // samples of a micro-batch
  double forward = 0, backward = 0;  // of a micro-batch
  double optimizer = 0;
};

struct Machine {
  std::string name;         // "h200", "cpu"
  std::string source = {};  // where the figures are from, for the output
  bool is_cpu = false;
  int devices_per_host = 1;

  // Matrix products in float32, TensorFloat-32 and 16 bits, in FLOP/s: peaks of one device, or of
  // all cores of a CPU's host.
  double peak_float32 = 0, peak_tf32 = 0, peak_16_bits = 0;
  double peak_of_one_core = 0;  // float32; 0: the share of one core
  double cores = 1;             // of a CPU's host
  // What a step's products, its attention and its element-wise work reach of the peaks.
  double product_share = 1, attention_share = 1, memory_share = 1;
  double memory_bytes_per_second = 0;  // of a device, or of a CPU's host
  int64_t memory_bytes = 0;            // of a device, or of a CPU's host; 0: unknown

  Link inside;                          // among the ranks of a host
  Link between;                         // of each host
  double storage_bytes_per_second = 0;  // written by all ranks together; 0: unknown
  double network_work = 0;  // CPU seconds per byte that a CPU rank sends through the network

  std::optional<MeasuredStep> measured = {};
  // Host memory of a program with its libraries, before it has a model: its own, and what all ranks
  // of a host share.
  int64_t program_bytes = 0, shared_program_bytes = 0;

  // The peak of one device, or of the host of a CPU, for products in this type.
  double peak(DType precision, bool tf32) const;
};

// The built-in devices.
std::vector<std::string> device_names();
// Throws ConfigurationError, with the nearest name, if there is none of that name.
Machine device_of(const std::string& name);

}  // namespace ripieno::tools::plan
