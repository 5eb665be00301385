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

    // Whether the others lose at least a tenth of their time by waiting for it.
    bool is_straggler() const;
  };
  // The median of the last 16 reports of each rank counts. Empty until each has reported three
  // times and 16 steps. On every rank the same.
  std::optional<Slowest> slowest() const;

 private:
  static constexpr int kReports = 16;

  // The reports of a rank, in nanoseconds per step.
  struct Reports {
    std::array<std::array<int64_t, phases>, kReports> nanoseconds = {};
    int64_t count = 0;
  };

  bool reports(int rank) const { return rank / slots_ == turn_; }
  Seconds median_of(const Reports& reports) const;

  const int rank_, size_, slots_, turns_;
  int turn_ = 0;
  int64_t exchanges_ = 0;
  Seconds since_report_ = {};
  int64_t steps_since_report_ = 0;
  std::vector<int64_t> sums_;     // (slots, phases)
  std::vector<Reports> reports_;  // (size)
};

}  // namespace ripieno::watch
