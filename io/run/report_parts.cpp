#include "ripieno/io/run/report_parts.h"

#include <fmt/format.h>

namespace ripieno::io {

std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&':
        html += "&amp;";
        break;
      case '<':
        html += "&lt;";
        break;
      case '>':
        html += "&gt;";
        break;
      case '"':
        html += "&quot;";
        break;
      default:
        html += c;
    }
  }
  return html;
}

std::string section(std::string_view heading, const std::string& content, std::string_view style) {
  return fmt::format("<section class=\"{}\">{}{}</section>\n", style,
                     heading.empty() ? "" : fmt::format("<h2>{}</h2>", heading), content);
}

std::string figure(std::string_view name, std::string_view value, std::string_view note,
                   std::string_view style) {
  return fmt::format("<div class=\"{}\"><h3>{}</h3><b>{}</b><small>{}</small></div>\n", style, name,
                     escaped(value), escaped(note));
}

std::string row(std::string_view name, std::string_view value) {
  return fmt::format("<tr><th>{}</th><td>{}</td></tr>", escaped(name), escaped(value));
}

}  // namespace ripieno::io
