// How the report looks: its style sheet, for light and dark.
#pragma once

namespace ripieno::io {

extern const char* const kReportStyle;

}  // namespace ripieno::io
