// ProcessorWait: how long a thread could run, but had no processor because others used it.
#pragma once

#include <optional>

namespace ripieno::watch {

// Of the thread that constructs it. The kernel counts; a call costs about a microsecond.
class ProcessorWait {
 public:
  ProcessorWait();
  ~ProcessorWait();
  ProcessorWait(const ProcessorWait&) = delete;
  ProcessorWait& operator=(const ProcessorWait&) = delete;

  // Seconds since the thread began. Empty if the kernel does not count them.
  std::optional<double> seconds() const;

 private:
  const int file_;
};

}  // namespace ripieno::watch
