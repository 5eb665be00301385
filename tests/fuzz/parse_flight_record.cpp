#include <algorithm>

#include "fuzz/parsers.h"
#include "ripieno/core/error.h"
#include "ripieno/io/run/ranks/flight_record.h"
#include "ripieno/io/run/ranks/stall.h"

namespace ripieno::fuzz {
namespace {

bool has_order(const io::FlightRecord& record) {
  return std::is_sorted(record.events.begin(), record.events.end(),
                        [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
}

}  // namespace

bool parse_flight_record(std::string_view bytes) {
  try {
    const auto record = io::parse_flight_record(bytes, "record");
    require(has_order(record), "events are in order");
    require(record.seconds.size() == std::size(io::kFlightPhases), "every phase has its seconds");
    // Of another rank that is at the same place.
    auto other = record;
    other.rank = record.rank == 0 ? 1 : 0;
    const std::vector<io::FlightRecord> records = {record, other};
    const auto stall = io::find_stall(records);
    io::to_string(stall, records, 2'000'000'000'000'000'000);
    return true;
  } catch (const DataError&) {
    return false;
  }
}

}  // namespace ripieno::fuzz
