#include "ripieno/tools/launch/notices/http_get.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace ripieno::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kScheme = "http://";
constexpr std::size_t kMostBytes = 1 << 16;

class Socket {
 public:
  Socket() : file_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (file_ >= 0) ::close(file_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int file() const { return file_; }

 private:
  int file_;
};

std::optional<sockaddr_in> address_of(std::string_view base) {
  if (!base.starts_with(kScheme)) return std::nullopt;
  base.remove_prefix(kScheme.size());
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  uint16_t port = 80;
  if (const auto colon = base.find(':'); colon != std::string_view::npos) {
    const std::string_view digits = base.substr(colon + 1);
    const auto [rest, error] = std::from_chars(digits.begin(), digits.end(), port);
    if (error != std::errc() || rest != digits.end()) return std::nullopt;
    base = base.substr(0, colon);
  }
  address.sin_port = htons(port);
  const std::string name = base == "localhost" ? "127.0.0.1" : std::string(base);
  if (inet_pton(AF_INET, name.c_str(), &address.sin_addr) != 1) return std::nullopt;
  return address;
}

// False if the time is over.
bool wait_for(int file, short events, Clock::time_point until) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
  pollfd waited = {file, events, 0};
  return left > 0 && ::poll(&waited, 1, static_cast<int>(left)) == 1;
}

bool send_all(int file, std::string_view text, Clock::time_point until) {
  while (!text.empty()) {
    if (!wait_for(file, POLLOUT, until)) return false;
    const ssize_t sent = ::send(file, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

// Until the peer closes the connection, which "Connection: close" demands, or the announced length
// has arrived.
bool is_complete(std::string_view text) {
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos) return false;
  std::string head(text.substr(0, end));
  std::transform(head.begin(), head.end(), head.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  constexpr std::string_view kLength = "\r\ncontent-length:";
  const auto found = head.find(kLength);
  if (found == std::string::npos) return false;
  const auto digits = head.find_first_not_of(" \t", found + kLength.size());
  std::size_t length = 0;
  if (digits == std::string::npos ||
      std::from_chars(head.data() + digits, head.data() + head.size(), length).ec != std::errc())
    return false;
  return text.size() - (end + 4) >= length;
}

std::optional<std::string> receive_all(int file, Clock::time_point until) {
  std::string text;
  char buffer[4096];
  while (!is_complete(text)) {
    if (!wait_for(file, POLLIN, until)) return std::nullopt;
    const ssize_t received = ::recv(file, buffer, sizeof(buffer), 0);
    if (received == 0) return text;
    if (received < 0 && errno != EAGAIN && errno != EINTR) return std::nullopt;
    if (received > 0) text.append(buffer, static_cast<std::size_t>(received));
    if (text.size() > kMostBytes) return std::nullopt;
  }
  return text;
}

// A body in chunks ("Transfer-Encoding: chunked") is not a body that metadata services send.
std::optional<HttpAnswer> parse_answer(const std::string& text) {
  const auto end = text.find("\r\n\r\n");
  if (!text.starts_with("HTTP/1.") || text.size() < 12 || end == std::string::npos)
    return std::nullopt;
  HttpAnswer answer;
  if (std::from_chars(text.data() + 9, text.data() + 12, answer.status).ptr != text.data() + 12)
    return std::nullopt;
  answer.body = text.substr(end + 4);
  return answer;
}

}  // namespace

bool is_base_url(const std::string& base) { return address_of(base).has_value(); }

std::optional<HttpAnswer> http_request(const std::string& base, const std::string& method,
                                       const std::string& path,
                                       const std::vector<std::string>& headers, double seconds) {
  const auto address = address_of(base);
  if (!address) return std::nullopt;
  const auto until =
      Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(std::lround(1000 * seconds)));
  const Socket socket;
  const int started =
      ::connect(socket.file(), reinterpret_cast<const sockaddr*>(&*address), sizeof(sockaddr_in));
  if (started != 0 && errno != EINPROGRESS) return std::nullopt;
  std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", method,
                                    path, base.substr(kScheme.size()));
  if (method == "PUT") request += "Content-Length: 0\r\n";
  for (const auto& header : headers) request += header + "\r\n";
  if (!send_all(socket.file(), request + "\r\n", until)) return std::nullopt;
  const auto text = receive_all(socket.file(), until);
  return text ? parse_answer(*text) : std::nullopt;
}

}  // namespace ripieno::tools
