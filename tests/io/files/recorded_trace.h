// RecordedTrace: records trace events during its lifetime, for tests.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "ripieno/core/trace.h"

namespace ripieno::io {

class RecordedTrace final : public trace::Sink {
 public:
  RecordedTrace() : before_(trace::install(this)) {}
  ~RecordedTrace() override { trace::install(before_); }

  void begin(const trace::Event& event) noexcept override {
    const std::lock_guard lock(mutex_);
    begun.push_back(event);
  }
  void end(const trace::Event& event) noexcept override {
    const std::lock_guard lock(mutex_);
    ended.emplace_back(event.name);
  }

  std::vector<trace::Event> begun;
  std::vector<std::string> ended;

 private:
  std::mutex mutex_;
  trace::Sink* const before_;
};

}  // namespace ripieno::io
