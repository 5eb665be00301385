// NoticeWatch: polls the metadata service of this machine's cloud on a thread of its own.
#pragma once

#include <memory>
#include <optional>

#include "ripieno/tools/launch/notices.h"

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

}  // namespace ripieno::tools
