// RankTimes: where the time of each rank's steps goes, to name a rank that is slower than others.
//
// The times travel with the votes that the ranks exchange after each step anyway. Up to 16 ranks
// report in each exchange; of more ranks, a sixteenth does, in turn, so that all have reported
// three times within 50 steps.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace ripieno::watch {

class RankTimes {
 public:
  enum Phase { data, compute, communication_exposed, optimizer, checkpoint, phases };
  static constexpr std::string_view kNames[phases] = {"data", "compute", "communication_exposed",
                                                      "optimizer", "checkpoint"};
  using Seconds = std::array<double, phases>;

  RankTimes(int rank, int size);

  // Adds a step of this rank.
  void add(const Seconds& seconds);
  // Adds the part of the time of these steps in which the thread that trains could run, but had no
  // processor.
  void add_processor_wait(double seconds) { since_report_[phases] += seconds; }
  // The numbers to be replaced by their sums over the ranks, followed by take(). Empty for one
  // rank.
  std::span<int64_t> offer();
  void take();

  // The rank whose own work, which is everything but communication, takes longest.
  struct Slowest {
    int rank = 0;
    double score = 1;                   // its own work, as a multiple of the median rank's
    Phase phase = compute;              // of which it needs most more than the median rank
    Seconds seconds = {}, median = {};  // per step, of the rank and of the median rank
    double processor_wait = 0;          // share of its time in which it had no processor

    // Whether the others lose at least a tenth of their time by waiting for it.
    bool is_straggler() const;
  };
  // The mean of the last 16 reports of each rank counts, without the one with the longest step,
  // which may be an accident. Empty until each has reported three times and 16 steps. On every rank
  // the same.
  std::optional<Slowest> slowest() const;

  // How much of each step the ranks communicate.
  struct Communication {
    double share = 0, least_share = 0;  // of the median rank, and of the one with the least
    double seconds = 0, step = 0;       // of the median rank
    double processor_wait = 0;          // of the rank with the largest share

    // Whether a step is mostly communication, and not because ranks wait for a slow one or lack
    // processors.
    bool is_slow() const;
  };
  // Empty when slowest() is.
  std::optional<Communication> communication() const;

 private:
  static constexpr int kReports = 16;

  // In each exchange, of each rank that reports: its phases, then its wait for a processor.
  static constexpr std::size_t kNumbers = phases + 1;
  // The reports of a rank, in nanoseconds per step.
  struct Reports {
    std::array<std::array<int64_t, kNumbers>, kReports> nanoseconds = {};
    int64_t count = 0;
  };
  // Per step, over the last reports.
  struct Means {
    Seconds seconds = {};
    double processor_wait = 0;  // share of the time
  };

  bool reports(int rank) const { return rank / slots_ == turn_; }
  bool is_known() const;
  static Means means_of(const Reports& reports);
  std::vector<Means> means() const;

  const int rank_, size_, slots_, turns_;
  int turn_ = 0;
  int64_t exchanges_ = 0;
  std::array<double, kNumbers> since_report_ = {};
  int64_t steps_since_report_ = 0;
  std::vector<int64_t> sums_;     // (slots, kNumbers)
  std::vector<Reports> reports_;  // (size)
};

}  // namespace ripieno::watch
