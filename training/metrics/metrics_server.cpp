#include "ripieno/training/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <span>
#include <vector>

#include "ripieno/core/error.h"
#include "ripieno/core/start_thread.h"

namespace ripieno {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostRequestBytes = 8192;
constexpr std::chrono::milliseconds kPauseWithoutFiles(1000);

struct AddressInfo {
  explicit AddressInfo(const ServerAddress& address) {
    addrinfo hints = {};
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;
    error =
        ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  }
  ~AddressInfo() {
    if (found) ::freeaddrinfo(found);
  }
  AddressInfo(const AddressInfo&) = delete;
  AddressInfo& operator=(const AddressInfo&) = delete;

  addrinfo* found = nullptr;
  int error = 0;
};

std::string shown(const ServerAddress& address) {
  const bool is_version_6 = address.host.find(':') != std::string::npos;
  const std::string host = is_version_6 ? "[" + address.host + "]" : address.host;
  return fmt::format("{}:{}", host, address.port);
}

[[noreturn]] void refuse(const ServerAddress& address) {
  const char* remedy = errno == EADDRINUSE      ? "choose another port"
                       : errno == EADDRNOTAVAIL ? "choose an address of this host"
                       : errno == EACCES        ? "choose a port of at least 1024"
                                                : "choose another address";
  throw CommunicationFailure(fmt::format("metrics.prometheus_address={}: cannot listen: {}; {}",
                                         shown(address), std::strerror(errno), remedy));
}

int listen_on(const ServerAddress& address) {
  const AddressInfo info(address);
  errno = EADDRNOTAVAIL;
  if (!info.found) refuse(address);
  const int listener =
      ::socket(info.found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listener < 0) refuse(address);
  const int yes = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (::bind(listener, info.found->ai_addr, info.found->ai_addrlen) == 0 &&
      ::listen(listener, SOMAXCONN) == 0)
    return listener;
  const int error = errno;
  ::close(listener);
  errno = error;
  refuse(address);
}

uint16_t port_of(int listener) {
  sockaddr_storage address = {};
  socklen_t size = sizeof address;
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

std::string response(std::string_view status, std::string_view type, std::string_view body,
                     bool with_body = true, std::string_view header = "") {
  return fmt::format(
      "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}Connection: close\r\n\r\n{}",
      status, type, body.size(), header, with_body ? body : "");
}

}  // namespace

ServerAddress parse_server_address(const std::string& address) {
  const auto colon = address.rfind(':');
  const std::string digits = colon == std::string::npos ? address : address.substr(colon + 1);
  std::string host = colon == std::string::npos ? "" : address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  if (host.empty() || host == "localhost") host = "127.0.0.1";
  ServerAddress parsed{host, 0};
  const char* last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, parsed.port);
  const bool is_port = error == std::errc() && end == last;
  if (!is_port || AddressInfo(parsed).error != 0)
    throw ConfigurationError(
        fmt::format("metrics.prometheus_address is \"{}\"; it must be an IP address and a port, "
                    "such as 127.0.0.1:9400",
                    address));
  return parsed;
}

std::string http_answer(std::string_view request, std::string_view metrics) {
  constexpr std::string_view kText = "text/plain; charset=utf-8";
  const auto line_end = request.find('\n');
  const auto line = request.substr(0, line_end);
  const auto first = line.find(' '), second = line.find(' ', first + 1);
  const bool is_http = first != std::string_view::npos && second != std::string_view::npos &&
                       line.substr(second + 1).starts_with("HTTP/1.");
  if (line_end != std::string_view::npos && !is_http)
    return response("400 Bad Request", kText, "This is not an HTTP request.\n");
  const bool is_whole = request.find("\r\n\r\n") != std::string_view::npos ||
                        request.find("\n\n") != std::string_view::npos;
  if (!is_whole && request.size() >= kMostRequestBytes)
    return response("431 Request Header Fields Too Large", kText, "The request is too long.\n");
  if (!is_whole) return "";
  const auto method = line.substr(0, first);
  auto path = line.substr(first + 1, second - first - 1);
  path = path.substr(0, path.find('?'));
  if (method != "GET" && method != "HEAD")
    return response("405 Method Not Allowed", kText, "Use GET.\n", true, "Allow: GET, HEAD\r\n");
  const bool with_body = method == "GET";
  if (path != "/metrics")
    return response("404 Not Found", kText, "The metrics are at /metrics.\n", with_body);
  return response("200 OK", "text/plain; version=0.0.4; charset=utf-8", metrics, with_body);
}

// The connections, of which each has one request.
class MetricsServer::Clients {
 public:
  ~Clients() {
    for (const Client& client : clients_) ::close(client.socket);
  }

  void add(int socket) {
    if (clients_.size() >= kMostClients) {
      ::close(socket);
      return;
    }
    const auto patience = std::chrono::duration<double>(kClientSeconds);
    clients_.push_back(
        {.socket = socket,
         .until = Clock::now() + std::chrono::duration_cast<Clock::duration>(patience)});
  }

  void watch(std::vector<pollfd>& watched) const {
    for (const Client& client : clients_)
      watched.push_back({client.socket, client.is_answered ? short{POLLOUT} : short{POLLIN}, 0});
  }

  // `events`: what poll() found of each client that watch() named.
  void proceed(std::span<const pollfd> events, const std::string& text) {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (events[i].revents != 0 && !proceed(clients_[i], text)) clients_[i].is_done = true;
    }
    const auto now = Clock::now();
    std::erase_if(clients_, [&](const Client& client) {
      const bool ends = client.is_done || client.until <= now;
      if (ends) ::close(client.socket);
      return ends;
    });
  }

  int milliseconds_left(int most) const {
    for (const Client& client : clients_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(client.until - Clock::now());
      most = std::clamp(static_cast<int>(left.count()), 0, most);
    }
    return most;
  }

 private:
  struct Client {
    int socket = -1;
    Clock::time_point until;
    std::string request = {}, answer = {};
    std::size_t sent = 0;
    bool is_answered = false, is_done = false;
  };

  // Whether the connection stays open.
  static bool proceed(Client& client, const std::string& text) {
    if (!client.is_answered) {
      if (!receive(client)) return false;
      client.answer = http_answer(client.request, text);
      client.is_answered = !client.answer.empty();
    }
    return !client.is_answered || send(client);
  }

  static bool receive(Client& client) {
    char bytes[1024];
    const ssize_t count = ::recv(client.socket, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    client.request.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }

  static bool send(Client& client) {
    const auto left = client.answer.size() - client.sent;
    const ssize_t count = ::send(client.socket, client.answer.data() + client.sent, left,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    client.sent += static_cast<std::size_t>(count);
    return client.sent < client.answer.size();
  }

  std::vector<Client> clients_;
};

MetricsServer::MetricsServer(const ServerAddress& address)
    : listener_(listen_on(address)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      port_(port_of(listener_)),
      text_(std::make_shared<const std::string>()) {
  try {
    if (stop_ < 0) refuse(address);
    thread_ = start_thread("to serve metrics", [this] { serve(); });
  } catch (...) {
    ::close(listener_);
    if (stop_ >= 0) ::close(stop_);
    throw;
  }
}

MetricsServer::~MetricsServer() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_, &one, sizeof one);
  thread_.join();
  ::close(listener_);
  ::close(stop_);
}

void MetricsServer::publish(std::string text) {
  auto shared = std::make_shared<const std::string>(std::move(text));
  const std::lock_guard lock(mutex_);
  text_.swap(shared);
}

std::shared_ptr<const std::string> MetricsServer::text() const {
  const std::lock_guard lock(mutex_);
  return text_;
}

void MetricsServer::serve() {
  Clients clients;
  std::vector<pollfd> watched;
  bool accepts = true;  // false for a while if this process has too many open files
  while (true) {
    watched.assign({{stop_, POLLIN, 0}, {listener_, accepts ? short{POLLIN} : short{0}, 0}});
    clients.watch(watched);
    const int pause = static_cast<int>(kPauseWithoutFiles.count());
    ::poll(watched.data(), watched.size(), clients.milliseconds_left(accepts ? 60'000 : pause));
    if (watched[0].revents != 0) return;
    clients.proceed(std::span(watched).subspan(2), *text());
    accepts = watched[1].revents == 0 || accept_clients(clients);
  }
}

// Returns false if a client could not be accepted.
bool MetricsServer::accept_clients(Clients& clients) {
  while (true) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
      clients.add(socket);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return errno == EAGAIN;
    }
  }
}

}  // namespace ripieno
