#include "ripieno/tools/doctor/letters.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "ripieno/core/error.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/tools/doctor/report.h"

namespace ripieno::tools::doctor {
namespace {

using nlohmann::json;

// Messages of the system may have bytes that are not UTF-8.
std::string dump(const json& object) {
  return object.dump(-1, ' ', true, json::error_handler_t::replace);
}

double number_member(const json& object, const char* name) {
  const json& value = io::member(object, name);
  if (!value.is_number()) throw DataError(std::string(name) + " is not a number");
  return value.get<double>();
}

bool flag_member(const json& object, const char* name) {
  return io::count_member(object, name, 1) == 1;
}

json to_json(const Interface& interface) {
  return {{"name", interface.name},
          {"address", interface.address},
          {"prefix_bits", interface.prefix_bits}};
}

Interface interface_from(const json& object) {
  return {io::text_member(object, "name"),
          static_cast<uint32_t>(io::count_member(object, "address", UINT32_MAX)),
          static_cast<int>(io::count_member(object, "prefix_bits", 32))};
}

json to_json(const LinkFacts& link) {
  return {{"from", link.from},
          {"to", link.to},
          {"interface", link.interface},
          {"address", link.address},
          {"has_common_network", int{link.has_common_network}},
          {"failure", link.failure},
          {"latency_seconds", link.latency_seconds},
          {"clock_offset_seconds", link.clock_offset_seconds},
          {"bytes_per_second", link.bytes_per_second},
          {"bytes_per_second_back", link.bytes_per_second_back},
          {"interface_bytes_per_second", link.interface_bytes_per_second}};
}

LinkFacts link_from(const json& object) {
  return {.from = io::text_member(object, "from"),
          .to = io::text_member(object, "to"),
          .interface = io::text_member(object, "interface"),
          .address = io::text_member(object, "address"),
          .has_common_network = flag_member(object, "has_common_network"),
          .failure = io::text_member(object, "failure"),
          .latency_seconds = number_member(object, "latency_seconds"),
          .clock_offset_seconds = number_member(object, "clock_offset_seconds"),
          .bytes_per_second = number_member(object, "bytes_per_second"),
          .bytes_per_second_back = number_member(object, "bytes_per_second_back"),
          .interface_bytes_per_second = number_member(object, "interface_bytes_per_second")};
}

}  // namespace

std::string text_of(const Introduction& introduction) {
  json interfaces = json::array();
  for (const auto& interface : introduction.end.interfaces)
    interfaces.push_back(to_json(interface));
  return dump({{"host", introduction.end.host},
               {"interfaces", interfaces},
               {"port", introduction.end.port},
               {"token", introduction.end.token},
               {"local_rank", introduction.local_rank}});
}

Introduction introduction_in(const std::string& text) {
  const json object = io::parse_json(text);
  Introduction introduction{
      .end = {.host = io::text_member(object, "host"),
              .interfaces = {},
              .port = static_cast<uint16_t>(io::count_member(object, "port", UINT16_MAX)),
              .token = static_cast<uint64_t>(io::count_member(object, "token"))},
      .local_rank = static_cast<int>(io::count_member(object, "local_rank", INT32_MAX))};
  io::for_each_in(object, "interfaces", [&](const json& interface) {
    introduction.end.interfaces.push_back(interface_from(interface));
  });
  return introduction;
}

std::string text_of(const RankReport& report) {
  const auto& facts = report.facts;
  json links = json::array(), findings = json::array();
  for (const auto& link : facts.links) links.push_back(to_json(link));
  for (const auto& finding : report.findings) findings.push_back(to_json(finding));
  return dump({{"host", facts.host},
               {"build", facts.build},
               {"fingerprint", facts.fingerprint},
               {"has_written", int{facts.has_written}},
               {"unseen", facts.unseen},
               {"links", links},
               {"findings", findings}});
}

RankReport report_in(const std::string& text) {
  const json object = io::parse_json(text);
  RankReport report;
  report.facts.host = io::text_member(object, "host");
  report.facts.build = io::text_member(object, "build");
  report.facts.fingerprint = io::text_member(object, "fingerprint");
  report.facts.has_written = flag_member(object, "has_written");
  io::for_each_in(object, "unseen", [&](const json& rank) {
    report.facts.unseen.push_back(static_cast<int>(io::count_of(rank, INT32_MAX)));
  });
  io::for_each_in(object, "links",
                  [&](const json& link) { report.facts.links.push_back(link_from(link)); });
  io::for_each_in(object, "findings",
                  [&](const json& finding) { report.findings.push_back(finding_from(finding)); });
  return report;
}

}  // namespace ripieno::tools::doctor
