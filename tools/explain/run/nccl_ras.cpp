#include "ripieno/tools/explain/run/nccl_ras.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "ripieno/tools/sources/foreign_json.h"

namespace ripieno::tools::explain {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostBytes = std::size_t{64} << 20;

// A connection whose operations fail once its time is over.
class Connection {
 public:
  Connection(const sockaddr_in& address, Clock::time_point end)
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), end_(end) {
    if (socket_ < 0) return;
    const auto* const where = reinterpret_cast<const sockaddr*>(&address);
    is_open_ = ::connect(socket_, where, sizeof address) == 0;
    if (is_open_ || errno != EINPROGRESS || !wait_for(POLLOUT)) return;
    int error = 0;
    socklen_t length = sizeof error;
    is_open_ = ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
  }
  ~Connection() {
    if (socket_ >= 0) ::close(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool is_open() const { return is_open_; }

  bool send(std::string_view text) {
    while (!text.empty()) {
      if (!wait_for(POLLOUT)) return false;
      const auto sent = ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) return false;
      if (sent > 0) text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  std::optional<std::string> line() {
    std::size_t end;
    while ((end = received_.find('\n')) == std::string::npos) {
      if (received_.size() > 4096 || !receive()) return std::nullopt;
    }
    std::string text = received_.substr(0, end);
    received_.erase(0, end + 1);
    return text;
  }

  // Everything until the service closes the connection.
  std::optional<std::string> rest() {
    while (receive()) {
      if (received_.size() > kMostBytes) return std::nullopt;
    }
    return is_at_end_ ? std::optional(received_) : std::nullopt;
  }

 private:
  bool wait_for(short events) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now());
    pollfd wanted = {.fd = socket_, .events = events, .revents = 0};
    return left.count() > 0 && ::poll(&wanted, 1, static_cast<int>(left.count())) > 0;
  }

  bool receive() {
    char buffer[65536];
    if (!wait_for(POLLIN)) return false;
    const auto bytes = ::recv(socket_, buffer, sizeof buffer, 0);
    is_at_end_ = bytes == 0;
    if (bytes < 0) return errno == EAGAIN || errno == EINTR;
    received_.append(buffer, static_cast<std::size_t>(bytes));
    return bytes > 0;
  }

  const int socket_;
  const Clock::time_point end_;
  bool is_open_ = false, is_at_end_ = false;
  std::string received_;
};

std::optional<sockaddr_in> parse_address(const std::string& text) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  std::string host = text.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  uint16_t port = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  const bool is_valid = parsed.ec == std::errc() && parsed.ptr == end &&
                        ::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1;
  return is_valid ? std::optional(address) : std::nullopt;
}

int integer(const nlohmann::json& object, const char* name) {
  const auto& value = member(object, name);
  return value.is_number_integer() ? static_cast<int>(value.get<int64_t>()) : 0;
}

NcclRank rank_of(const nlohmann::json& json) {
  NcclRank rank{.rank = integer(json, "rank"),
                .process = integer(json, "pid"),
                .async_error = integer(member(json, "status"), "async_error")};
  const auto& counts = member(json, "collective_counts");
  if (!counts.is_object()) return rank;
  for (const auto& [operation, count] : counts.items()) {
    if (count.is_number_unsigned()) rank.collectives[operation] = count.get<uint64_t>();
  }
  return rank;
}

NcclCommunicator communicator_of(const nlohmann::json& json) {
  NcclCommunicator communicator{.size = integer(json, "size")};
  if (const auto& ranks = member(json, "ranks"); ranks.is_array()) {
    for (const auto& rank : ranks) communicator.ranks.push_back(rank_of(rank));
  }
  if (const auto& missing = member(json, "missing_ranks"); missing.is_array()) {
    for (const auto& rank : missing) {
      const auto& dead = member(member(rank, "status"), "considered_dead");
      communicator.missing.push_back({.rank = integer(rank, "rank"),
                                      .process = integer(rank, "pid"),
                                      .is_dead = dead.is_boolean() && dead.get<bool>()});
    }
  }
  return communicator;
}

}  // namespace

NcclReport parse_nccl_report(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto& version = member(json, "nccl_version");
  if (!version.is_string()) return {};
  NcclReport report{.version = version.get<std::string>()};
  const auto& communicators = member(json, "communicators");
  if (!communicators.is_array()) return report;
  for (const auto& communicator : communicators)
    report.communicators.push_back(communicator_of(communicator));
  return report;
}

NcclReport ask_nccl(const std::string& address, double seconds) {
  const auto where = parse_address(address);
  if (!where) return {};
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  Connection connection(*where, end);
  if (!connection.is_open() || !connection.send("CLIENT PROTOCOL 2\n")) return {};
  const auto protocol = connection.line();
  if (!protocol || !protocol->starts_with("SERVER PROTOCOL")) return {};
  for (const char* request : {"TIMEOUT 1\n", "SET FORMAT json\n"}) {
    if (!connection.send(request) || connection.line() != "OK") return {};
  }
  if (!connection.send("VERBOSE STATUS\n")) return {};
  const auto answer = connection.rest();
  return answer ? parse_nccl_report(*answer) : NcclReport{};
}

std::string nccl_ras_address() {
  const char* const set = std::getenv("NCCL_RAS_ADDR");
  return set && *set ? set : "localhost:28028";
}

}  // namespace ripieno::tools::explain
