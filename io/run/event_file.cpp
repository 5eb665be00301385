#include "ripieno/io/run/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/io/files/crc32c.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/io/files/posix_error.h"
#include "ripieno/io/files/utf8.h"
#include "ripieno/io/formats/protobuf_writer.h"

namespace ripieno::io {
namespace {

constexpr std::string_view kPrefix = "events.out.tfevents.";

// Field numbers of the messages in an event file.
namespace event {
enum { wall_time = 1, step = 2, file_version = 3, summary = 5, session_log = 7, source = 10 };
}
namespace session_log {
enum { status = 1 };
constexpr int64_t kStart = 1;
}  // namespace session_log
namespace source {
enum { writer = 1 };
}
namespace summary {
enum { value = 1 };
}
namespace value {
enum { tag = 1, simple_value = 2, histogram = 5, tensor = 8, metadata = 9 };
}
namespace histogram_field {
enum { least = 1, greatest, count, sum, sum_of_squares, limits, counts };
}
namespace metadata {
enum { plugin = 1, data_class = 4 };
constexpr int64_t kTensor = 2;  // a data class
}  // namespace metadata
namespace plugin {
enum { name = 1 };
}
namespace tensor {
enum { element_type = 1, shape = 2, strings = 8 };
constexpr int64_t kString = 7;  // an element type
}  // namespace tensor

// A checksum as it is stored, so that a checksum of data with checksums is not trivial.
uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8; }

template <typename T>
std::string bytes_of(T number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

template <typename T>
T number_at(std::string_view bytes, std::size_t at) {
  T number;
  std::memcpy(&number, bytes.data() + at, sizeof number);
  return number;
}

// The seconds in the name of an event file, -1 if it is none.
int64_t seconds_in(std::string_view name) {
  if (!name.starts_with(kPrefix)) return -1;
  name.remove_prefix(kPrefix.size());
  int64_t seconds = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), seconds);
  return error == std::errc() && end - name.data() == 10 ? seconds : -1;
}

// A time that sorts after those of the files in `directory`.
int64_t seconds_after(const std::string& directory, int64_t now) {
  for (const auto& name : local_files().names_in(directory))
    now = std::max(now, seconds_in(name) + 1);
  return now;
}

}  // namespace

EventFile::~EventFile() {
  if (file_ >= 0) ::close(file_);
}

ProtobufWriter EventFile::event_at(int64_t step, double time) {
  last_time_ = std::max(last_time_, time);
  ProtobufWriter event;
  event.add_double(event::wall_time, last_time_);
  if (step != 0) event.add_integer(event::step, step);
  return event;
}

void EventFile::begin_after(int64_t step, double time) {
  if (!std::exchange(has_begun_, true)) {
    ProtobufWriter version = event_at(0, time);
    version.add_bytes(event::file_version, "brain.Event:2");
    ProtobufWriter writer;
    writer.add_bytes(source::writer, "ripieno");
    version.add_message(event::source, writer);
    add_record(version);
  }
  ProtobufWriter start = event_at(step + 1, time), session;
  session.add_integer(session_log::status, session_log::kStart);
  start.add_message(event::session_log, session);
  add_record(start);
}

void EventFile::add_scalars(int64_t step, double time, std::span<const Scalar> scalars) {
  ProtobufWriter summary, value;
  for (const Scalar& scalar : scalars) {
    value.clear();
    value.add_bytes(value::tag, valid_utf8(scalar.tag));
    value.add_float(value::simple_value, static_cast<float>(scalar.value));
    summary.add_message(summary::value, value);
  }
  add_summary(step, time, summary);
}

void EventFile::add_histogram(int64_t step, double time, std::string_view tag,
                              const Histogram& histogram) {
  namespace field = histogram_field;
  ProtobufWriter summary, value, message;
  message.add_double(field::least, histogram.least);
  message.add_double(field::greatest, histogram.greatest);
  message.add_double(field::count, static_cast<double>(histogram.count));
  message.add_double(field::sum, histogram.sum);
  message.add_double(field::sum_of_squares, histogram.sum_of_squares);
  message.add_packed_doubles(field::limits, histogram.limits);
  message.add_packed_doubles(field::counts, histogram.counts);
  value.add_bytes(value::tag, valid_utf8(tag));
  value.add_message(value::histogram, message);
  summary.add_message(summary::value, value);
  add_summary(step, time, summary);
}

void EventFile::add_text(int64_t step, double time, std::string_view tag, std::string_view text) {
  ProtobufWriter summary, value, tensor, metadata, plugin;
  tensor.add_integer(tensor::element_type, tensor::kString);
  tensor.add_message(tensor::shape, {});  // no dimensions
  tensor.add_bytes(tensor::strings, valid_utf8(text));
  plugin.add_bytes(plugin::name, "text");
  metadata.add_message(metadata::plugin, plugin);
  metadata.add_integer(metadata::data_class, metadata::kTensor);
  value.add_bytes(value::tag, valid_utf8(tag));
  value.add_message(value::tensor, tensor);
  value.add_message(value::metadata, metadata);
  summary.add_message(summary::value, value);
  add_summary(step, time, summary);
}

void EventFile::add_summary(int64_t step, double time, const ProtobufWriter& summary) {
  ProtobufWriter event = event_at(step, time);
  event.add_message(event::summary, summary);
  add_record(event);
}

void EventFile::add_record(const ProtobufWriter& event) {
  const std::string record = event_record(event.bytes());
  if (waiting_.size() + record.size() > kMostWaiting) {
    ++dropped_;
  } else {
    waiting_ += record;
  }
}

void EventFile::create() {
  local_files().make_directories(directory_);
  int64_t seconds = seconds_after(directory_, static_cast<int64_t>(last_time_));
  do {
    path_ =
        fmt::format("{}/{}{:010}.{}.{}", directory_, kPrefix, seconds++, host_name(), ::getpid());
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  } while (file_ < 0 && errno == EEXIST);
  require(file_ >= 0, "create", path_);
}

void EventFile::flush() {
  if (waiting_.empty()) return;
  if (file_ < 0) create();
  ssize_t written;
  do {
    written = ::write(file_, waiting_.data(), waiting_.size());
  } while (written < 0 && errno == EINTR);
  const int error = written < 0 ? errno : ENOSPC;
  if (written == static_cast<ssize_t>(waiting_.size())) return waiting_.clear();
  struct stat status;
  // Otherwise readers would stop at the incomplete record.
  if (written > 0 && ::fstat(file_, &status) == 0)
    require(::ftruncate(file_, status.st_size - written) == 0, "write", path_);
  refuse("write", path_, error);
}

std::string event_record(std::string_view data) {
  const std::string length = bytes_of(uint64_t{data.size()});
  std::string record = length + bytes_of(masked(crc32c(length)));
  record += data;
  return record + bytes_of(masked(crc32c(data)));
}

EventRecords read_event_records(std::string_view bytes) {
  constexpr std::size_t kLength = sizeof(uint64_t), kChecksum = sizeof(uint32_t);
  EventRecords records;
  while (!bytes.empty()) {
    records.ends_whole = false;
    if (bytes.size() < kLength + kChecksum) break;
    const auto length = number_at<uint64_t>(bytes, 0);
    if (number_at<uint32_t>(bytes, kLength) != masked(crc32c(bytes.substr(0, kLength)))) break;
    bytes.remove_prefix(kLength + kChecksum);
    if (bytes.size() < kChecksum || length > bytes.size() - kChecksum) break;
    const std::string_view data = bytes.substr(0, length);
    if (number_at<uint32_t>(bytes, length) != masked(crc32c(data))) break;
    records.data.emplace_back(data);
    bytes.remove_prefix(length + kChecksum);
    records.ends_whole = true;
  }
  return records;
}

}  // namespace ripieno::io
