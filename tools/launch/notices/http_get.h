// One request to a metadata service: plain HTTP/1.1 over a socket, never through a proxy.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace ripieno::tools {

struct HttpAnswer {
  int status = 0;  // 200, 404, …
  std::string body = {};
};

// Sends `method` ("GET", "PUT") for `path` to `base`, "http://ADDRESS[:PORT]" with a numeric
// address or localhost. `headers`: whole lines. nullopt if no whole, well-formed answer of at most
// 64 KiB arrives within `seconds` in total.
std::optional<HttpAnswer> http_request(const std::string& base, const std::string& method,
                                       const std::string& path,
                                       const std::vector<std::string>& headers, double seconds = 1);

// Whether `base` has that form.
bool is_base_url(const std::string& base);

}  // namespace ripieno::tools
