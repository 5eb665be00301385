// Finding: what a check of `ripieno doctor` found. Code: a kind of finding, with its remedy.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ripieno::tools::doctor {

enum class Severity { ok, not_checked, warning, problem };

// A row of the table in docs/doctor.md. Codes keep their meaning.
struct Code {
  std::string_view code;  // "D-NET-03"
  Severity severity;      // warning or problem
  std::string_view title;
  std::string_view why;     // what happens if it stays
  std::string_view remedy;  // of a finding without one of its own
};

struct Finding {
  Severity severity = Severity::ok;
  std::string subject = {};  // of its check: "network"
  std::string code = {};     // empty for ok and not_checked
  std::string what = {};     // a sentence without a period
  std::string where = {};    // host, path or both; empty: this host, or all
  std::string why = {};
  std::string remedy = {};
};

Finding ok(std::string_view subject, std::string what);
// `reason`: why the subject could not be checked here.
Finding not_checked(std::string_view subject, std::string reason);
// `remedy`: that of the code if empty.
Finding found(std::string_view subject, const Code& code, std::string what, std::string where = "",
              std::string remedy = "");

}  // namespace ripieno::tools::doctor
