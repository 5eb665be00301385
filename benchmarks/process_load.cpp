#include "process_load.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace ripieno::benchmarks {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

// The first line of /proc/stat: "cpu user nice system idle iowait irq softirq …", in clock ticks.
double softirq_seconds() {
  std::ifstream file("/proc/stat");
  std::string name;
  double ticks = 0;
  file >> name;
  for (int field = 0; field < 7; ++field) file >> ticks;
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// A line of /proc/net/dev: "eth0: ", eight numbers about received data, then the bytes sent.
double bytes_sent() {
  std::ifstream file("/proc/net/dev");
  double total = 0;
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || line.substr(0, colon).find("lo") != std::string::npos) {
      continue;
    }
    std::istringstream numbers(line.substr(colon + 1));
    double number = 0;
    for (int field = 0; field < 9; ++field) numbers >> number;
    total += number;
  }
  return total;
}

}  // namespace

ProcessLoad ProcessLoad::operator-(const ProcessLoad& earlier) const {
  return {user_seconds - earlier.user_seconds, system_seconds - earlier.system_seconds,
          softirq_seconds - earlier.softirq_seconds, bytes_sent - earlier.bytes_sent};
}

ProcessLoad load_now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {seconds_of(usage.ru_utime), seconds_of(usage.ru_stime), softirq_seconds(), bytes_sent()};
}

}  // namespace ripieno::benchmarks
