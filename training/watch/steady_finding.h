// SteadyFinding: which of many noisy looks to report, so that what changes all the time is reported
// a few times and not each time. Used by RunWatch.
#pragma once

#include <algorithm>

namespace ripieno::watch {

class SteadyFinding {
 public:
  // `nothing`: what is reported before the first look.
  explicit SteadyFinding(int nothing) : reported_(nothing), candidate_(nothing) {}

  // A look found `value`. Returns whether that is to be reported: two looks in a row found it
  // first, and twice as many are required after each report, up to 64.
  bool look(int value) {
    if (value != candidate_) looks_ = 0;
    candidate_ = value;
    if (value == reported_ || ++looks_ < required_) return false;
    reported_ = value;
    required_ = std::min(2 * required_, kMostLooks);
    return true;
  }
  int reported() const { return reported_; }

 private:
  static constexpr int kMostLooks = 64;

  int reported_, candidate_;
  int looks_ = 0;  // in a row that found the candidate
  int required_ = 2;
};

}  // namespace ripieno::watch
