#include "ripieno/tools/doctor/finding.h"

#include <utility>

namespace ripieno::tools::doctor {

Finding ok(std::string_view subject, std::string what) {
  return {.subject = std::string(subject), .what = std::move(what)};
}

Finding not_checked(std::string_view subject, std::string reason) {
  return {.severity = Severity::not_checked,
          .subject = std::string(subject),
          .what = std::move(reason)};
}

Finding found(std::string_view subject, const Code& code, std::string what, std::string where,
              std::string remedy) {
  return {.severity = code.severity,
          .subject = std::string(subject),
          .code = std::string(code.code),
          .what = std::move(what),
          .where = std::move(where),
          .why = std::string(code.why),
          .remedy = remedy.empty() ? std::string(code.remedy) : std::move(remedy)};
}

}  // namespace ripieno::tools::doctor
