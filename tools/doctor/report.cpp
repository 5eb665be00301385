#include "ripieno/tools/doctor/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/io/files/checked_json.h"
#include "ripieno/tools/explain/wrap.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools::doctor {
namespace {

using explain::wrapped;
using nlohmann::json;

constexpr std::string_view kNames[] = {"ok", "not checked", "warning", "problem"};

std::string_view name_of(Severity severity) { return kNames[static_cast<int>(severity)]; }

Severity severity_named(const std::string& name) {
  const auto at = std::find(std::begin(kNames), std::end(kNames), name);
  if (at == std::end(kNames)) throw DataError(fmt::format("severity is \"{}\"", name));
  return static_cast<Severity>(at - std::begin(kNames));
}

// The first of the lines begins with the severity.
std::string line_of(const Finding& finding) {
  std::string text = finding.subject + ": " + finding.what;
  if (!finding.code.empty()) {
    const std::string where = finding.where.empty() ? "" : " (" + finding.where + ")";
    text = fmt::format("{} {}{}; {}", finding.code, text, where, finding.why);
  }
  std::string lines = wrapped(text, 13, 13);
  const auto name = name_of(finding.severity);
  lines.replace(0, name.size(), name);
  if (!finding.code.empty()) lines += wrapped("To do: " + finding.remedy, 13, 15);
  return lines;
}

int64_t count(const std::vector<Finding>& findings, Severity severity) {
  return std::count_if(findings.begin(), findings.end(),
                       [&](const Finding& finding) { return finding.severity == severity; });
}

std::string verdict(const std::vector<Finding>& findings) {
  const int64_t problems = count(findings, Severity::problem);
  const int64_t warnings = count(findings, Severity::warning);
  if (problems == 0 && warnings == 0) return "Nothing is wrong.";
  std::string text = problems > 0 ? counted(problems, "problem") : "No problem";
  if (warnings > 0) text += ", " + counted(warnings, "warning");
  return text + "; docs/doctor.md explains the codes.";
}

}  // namespace

std::string to_text(const std::string& title, std::vector<Finding> findings, double seconds) {
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  std::string text = wrapped(fmt::format("{}, examined in {:.1f} s", title, seconds), 0, 2) + "\n";
  for (const auto& finding : findings) text += line_of(finding);
  return text + "\n" + verdict(findings) + "\n";
}

json to_json(const Finding& finding) {
  return {{"severity", name_of(finding.severity)},
          {"subject", finding.subject},
          {"code", finding.code},
          {"what", finding.what},
          {"where", finding.where},
          {"why", finding.why},
          {"remedy", finding.remedy}};
}

Finding finding_from(const json& object) {
  return {.severity = severity_named(io::text_member(object, "severity")),
          .subject = io::text_member(object, "subject"),
          .code = io::text_member(object, "code"),
          .what = io::text_member(object, "what"),
          .where = io::text_member(object, "where"),
          .why = io::text_member(object, "why"),
          .remedy = io::text_member(object, "remedy")};
}

json to_json(const std::string& title, const std::vector<Finding>& findings, double seconds) {
  json list = json::array();
  for (const auto& finding : findings) list.push_back(to_json(finding));
  return {{"examined", title},
          {"problems", count(findings, Severity::problem)},
          {"warnings", count(findings, Severity::warning)},
          {"seconds", seconds},
          {"findings", list}};
}

bool has_problem(const std::vector<Finding>& findings) {
  return count(findings, Severity::problem) > 0;
}

}  // namespace ripieno::tools::doctor
