// NoticeWatch: polls the metadata service of this machine's cloud on a thread of its own.
// SaveWarning: whether a notice leaves time for a save.
#pragma once

#include <memory>
#include <optional>

#include "ripieno/tools/launch/notices/notices.h"

namespace ripieno::tools {

class NoticeWatch {
 public:
  // Polls every 5 seconds; nothing for Cloud::none. Prints one line if the service gives three
  // answers in a row that it should not give, or none.
  NoticeWatch(Cloud cloud, const std::string& url);
  ~NoticeWatch();  // does not wait for an answer
  NoticeWatch(const NoticeWatch&) = delete;
  NoticeWatch& operator=(const NoticeWatch&) = delete;

  // The first notice that arrived.
  std::optional<Notice> notice() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Warns once of a run whose saves take too long for the notices of a cloud: a step and a save, as
// slow as the slowest so far, take more than two thirds of what the cloud promises.
class SaveWarning {
 public:
  explicit SaveWarning(Cloud cloud) : cloud_(cloud) {}
  void consider(double step_seconds, double save_seconds);

 private:
  Cloud cloud_;
  bool is_given_ = false;
};

}  // namespace ripieno::tools
