// Pieces of HTML that the sections of a report are made of. Not installed.
#pragma once

#include <string>
#include <string_view>

namespace ripieno::io {

// Text with HTML's special characters escaped.
std::string escaped(std::string_view text);
// `content` is HTML; without a heading if that is empty.
std::string section(std::string_view heading, const std::string& content,
                    std::string_view style = "");
// A number with its name and a note below. `value` and `note` are text.
std::string figure(std::string_view name, std::string_view value, std::string_view note,
                   std::string_view style = "figure");
// Of a table with names and values, both text.
std::string row(std::string_view name, std::string_view value);

}  // namespace ripieno::io
