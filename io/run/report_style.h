// The style sheet of the report, for light and dark mode. Not installed.
#pragma once

namespace ripieno::io {

extern const char* const kReportStyle;

}  // namespace ripieno::io
