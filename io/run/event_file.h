// EventFile: writes a TensorBoard event file, events.out.tfevents.SECONDS.HOST.PROCESS.
//
// Readers show the files of a directory in the order of their names, as one run. So a run that
// resumes writes a new file, whose name sorts after those before it even if the clock of the host
// went backwards. What is added is kept in memory until flush(). A record that was cut off by a
// full disk is removed; one that was cut off by a power cut is the last of its file, and readers
// ignore it. Used by one thread at a time. Times are seconds since 1970.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ripieno/io/run/histogram.h"

namespace ripieno::io {

class ProtobufWriter;

class EventFile {
 public:
  // What waits for a flush that succeeds is dropped beyond this.
  static constexpr std::size_t kMostWaiting = std::size_t{4} << 20;

  // The file, and `directory`, are created by the first flush().
  explicit EventFile(std::string directory) : directory_(std::move(directory)) {}
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // The run starts after `step`, or went back to it: readers forget the points of later steps.
  // Called first.
  void begin_after(int64_t step, double time);
  struct Scalar {
    std::string_view tag;
    double value = 0;  // written with the precision of a float
  };
  void add_scalars(int64_t step, double time, std::span<const Scalar> scalars);
  void add_histogram(int64_t step, double time, std::string_view tag, const Histogram& histogram);
  // `text` is Markdown.
  void add_text(int64_t step, double time, std::string_view tag, std::string_view text);

  // Appends what was added to the file. Throws StorageError; a later call tries again.
  void flush();
  // The number of records that were dropped.
  int64_t dropped() const { return dropped_; }
  const std::string& path() const { return path_; }  // empty until the file was created

 private:
  ProtobufWriter event_at(int64_t step, double time);
  void add_summary(int64_t step, double time, const ProtobufWriter& summary);
  void add_record(const ProtobufWriter& event);
  void create();

  const std::string directory_;
  std::string path_;
  int file_ = -1;
  bool has_begun_ = false;
  double last_time_ = 0;
  std::string waiting_;
  int64_t dropped_ = 0;
};

// A record: the length of `data`, its checksum, `data`, its checksum.
std::string event_record(std::string_view data);

// The data of each record of an event file that is complete, in order, up to the first that is
// damaged. For tests and tools.
struct EventRecords {
  std::vector<std::string> data;
  bool ends_whole = true;  // whether the bytes end after the last of them
};
EventRecords read_event_records(std::string_view bytes);

}  // namespace ripieno::io
