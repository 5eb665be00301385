// MetricsTail: follows metrics.jsonl while a run writes it, at a bounded cost per call.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "ripieno/io/files/file_system.h"
#include "ripieno/io/run/metrics.h"
#include "ripieno/tools/watch/loss_curve.h"

namespace ripieno::tools::watch {

// What is known of the metrics of a run.
struct Measured {
  int64_t step = 0;             // of the last line
  io::StepMetrics newest = {};  // the newest value of each metric
  int64_t validated_step = 0;   // of the newest validation_loss
  LossCurve loss = {}, validation = {};
  std::deque<double> seconds = {};  // of each of the last steps that have them, at most 64
  bool is_sampled = false;          // the file is large: parts of it were left out
  int64_t unreadable = 0;           // lines, of those read

  // Mean of `seconds`; empty if nothing was timed.
  std::optional<double> step_seconds() const;
};

class MetricsTail {
 public:
  explicit MetricsTail(std::string path) : path_(std::move(path)) {}

  // Reads what was appended since the last call: complete lines only. Of a file of more than 4 MiB,
  // the first call reads evenly spaced parts and the end; later ones read at most 256 KiB. A file
  // that has been replaced is read again. Throws StorageError.
  void poll(const io::FileSystem& files);

  const Measured& measured() const { return measured_; }

 private:
  void begin(const io::ReadableFile& file, int64_t size);
  // Takes the complete lines of [begin, end), from the first that begins there.
  // Returns the end of the last one, or `begin`.
  int64_t take(const io::ReadableFile& file, int64_t begin, int64_t end);
  void take_line(std::string_view line);

  std::string path_;
  int64_t offset_ = 0;  // up to which the file has been read: the end of a line
  Measured measured_;
};

}  // namespace ripieno::tools::watch
