// Calibration: the measured speed of a host, its links and its storage, as a JSON file. Written by
// `ripieno doctor`, read by `ripieno plan`.
//
//   {"version": 1, "device": "cpu", "host": "a", "cores": 2,
//    "gflops": {"f32": 180.5, "bf16": 150.1}, "gflops_of_one_core": {"f32": 97.0, "bf16": 80.2},
//    "memory_gb_per_second": 21.4,
//    "links": [{"ranks": 2, "latency_seconds": 4e-5, "bytes_per_second": 1.2e8}],
//    "storage": {"write_bytes_per_second": 5e8, "read_bytes_per_second": 2e9}}
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/files/file_system.h"

namespace ripieno::tools {

// A rate of 0 was not measured.
struct Calibration {
  // Matrix products, in 1e9 floating-point operations per second.
  struct Products {
    double f32 = 0;
    double bf16 = 0;
  };
  // An all-reduce of n bytes among `ranks` ranks takes
  //   2 (ranks - 1) latency_seconds + 2 (ranks - 1) / ranks * n / bytes_per_second.
  struct Link {
    int ranks = 2;
    double latency_seconds = 0;
    double bytes_per_second = 0;
  };
  struct Storage {
    double write_bytes_per_second = 0;  // including the sync
    double read_bytes_per_second = 0;
  };

  std::string device = "cpu";
  std::string host = {};
  int cores = 1;                     // that the measurement used
  Products gflops = {};              // of all cores
  Products gflops_of_one_core = {};  // optional in the file
  double memory_gb_per_second = 0;   // read and written by a copy, all cores
  std::vector<Link> links = {};      // empty: measured alone
  Storage storage = {};
};

// The file's text, without a final newline.
std::string calibration_text(const Calibration& calibration);
// Throws DataError, which names what was found and what is required. Unknown members are ignored.
Calibration parse_calibration(std::string_view text);

// Atomic. Throws StorageError.
void write_calibration(io::FileSystem& files, const std::string& path,
                       const Calibration& calibration);
// Throws ConfigurationError if the file does not exist, StorageError, or DataError; each names the
// file.
Calibration read_calibration(const io::FileSystem& files, const std::string& path);

}  // namespace ripieno::tools
