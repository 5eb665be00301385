#include <vector>

#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/run/ranks/flight_record.h"
#include "ripieno/io/run/ranks/stall.h"

namespace ripieno::fuzz {

bool parse_flight_record(std::string_view bytes) {
  try {
    const std::vector<io::FlightRecord> records = {io::parse_flight_record(bytes, "file")};
    const auto& record = records[0];
    for (std::size_t i = 1; i < record.events.size(); ++i)
      require(record.events[i - 1].sequence <= record.events[i].sequence, "events are in order");
    for (const auto& event : record.events)
      require(event.name.find('\0') == std::string::npos, "names have no zeros");
    io::position_of(record);
    io::to_string(io::find_stall(records), records, record.heartbeat.unix_time);
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace ripieno::fuzz
