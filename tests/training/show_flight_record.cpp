// show_flight_record RUN: prints what the tests need of each rank's flight record, a line of JSON
// each.
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/io/run/ranks/flight_record.h"
#include "ripieno/io/run/ranks/stall.h"

int main(int, char** argv) {
  using namespace ripieno::io;
  constexpr const char* kEnds[] = {"running", "returned", "exception", "signal", "watchdog"};
  for (const auto& record : read_flight_records(argv[1])) {
    std::vector<std::string> open;
    if (!record.threads.empty()) {
      for (const auto& event : record.threads.front().open) open.push_back(event.name);
    }
    const auto* current = current_event(record);
    if (current && current->is_collective) open.push_back(current->name);
    const nlohmann::json line = {{"rank", record.rank},
                                 {"process", record.process},
                                 {"step", record.step},
                                 {"activity", record.activity},
                                 {"open", open},
                                 {"position", position_of(record)},
                                 {"end", kEnds[static_cast<int>(record.end.kind)]},
                                 {"status", record.end.status},
                                 {"signal", record.end.signal},
                                 {"message", record.end.message},
                                 {"heartbeats", record.heartbeat.count}};
    std::puts(line.dump().c_str());
  }
  return 0;
}
