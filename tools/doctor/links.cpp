#include "ripieno/tools/doctor/links.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <random>
#include <utility>

namespace ripieno::tools::doctor {
namespace {

using Clock = std::chrono::steady_clock;

// What a client asks for, after the token.
constexpr char kPing = 'p';  // answered by the server's time
constexpr char kTake = 't';  // chunks follow, each after a byte 1; a byte 0 ends them; acknowledged
constexpr char kSend = 's';  // seconds (double) follow; the server sends chunks in the same way

constexpr std::size_t kChunk = 32 << 10;
constexpr int kBuffer = 256 << 10;  // so that a slow link is drained in seconds
constexpr int kPings = 20;
constexpr int kConnectMilliseconds = 2000, kAnswerSeconds = 2;
constexpr double kLongSeconds = 1;  // a stream that takes longer is not repeated: its link is slow

double wall_clock() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Socket {
 public:
  explicit Socket(int file) : file_(file) {}
  Socket(Socket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  ~Socket() {
    if (file_ >= 0) ::close(file_);
  }
  int file() const { return file_; }

  bool send(const void* data, std::size_t bytes) const {
    const auto* at = static_cast<const char*>(data);
    while (bytes > 0) {
      const ssize_t sent = ::send(file_, at, bytes, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      at += sent;
      bytes -= static_cast<std::size_t>(sent);
    }
    return true;
  }
  bool receive(void* data, std::size_t bytes) const {
    auto* at = static_cast<char*>(data);
    while (bytes > 0) {
      const ssize_t received = ::recv(file_, at, bytes, 0);
      if (received <= 0) return false;
      at += received;
      bytes -= static_cast<std::size_t>(received);
    }
    return true;
  }
  void set_options() const {
    const int one = 1;
    const timeval limit = {kAnswerSeconds, 0};
    ::setsockopt(file_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    ::setsockopt(file_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(file_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  }

 private:
  int file_;
};

Socket open_socket() {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int bytes = kBuffer;  // before connect() and listen(), which fix the window's scale
  ::setsockopt(socket.file(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  ::setsockopt(socket.file(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  return socket;
}

bool send_chunks(const Socket& socket, double seconds, int64_t& bytes) {
  std::array<char, kChunk + 1> chunk = {1};
  const auto start = Clock::now();
  while (seconds_since(start) < seconds) {
    if (!socket.send(chunk.data(), chunk.size())) return false;
    bytes += static_cast<int64_t>(chunk.size());
  }
  return socket.send("", 1);
}

bool take_chunks(const Socket& socket, int64_t& bytes) {
  std::array<char, kChunk> chunk;
  for (char more = 0; socket.receive(&more, 1);) {
    if (more == 0) return true;
    if (!socket.receive(chunk.data(), chunk.size())) return false;
    bytes += static_cast<int64_t>(chunk.size()) + 1;
  }
  return false;
}

// Answers one client until it closes its connection.
void serve(const Socket& socket, uint64_t token) {
  socket.set_options();
  uint64_t given = 0;
  if (!socket.receive(&given, sizeof given) || given != token) return;
  for (char request = 0; socket.receive(&request, 1);) {
    int64_t bytes = 0;
    double seconds = 0;
    if (request == kPing) {
      const double now = wall_clock();
      if (!socket.send(&now, sizeof now)) return;
    } else if (request == kTake) {
      if (!take_chunks(socket, bytes) || !socket.send("", 1)) return;
    } else if (request != kSend || !socket.receive(&seconds, sizeof seconds) ||
               !send_chunks(socket, std::min(seconds, 2.0), bytes)) {
      return;
    }
  }
}

std::string text_of(uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                     address & 255);
}

// The addresses at which both ends are in one network; otherwise the first of each.
struct Route {
  const Interface* from = nullptr;
  const Interface* to = nullptr;
  bool has_common_network = false;
};
Route route_between(const LinkEnd& self, const LinkEnd& peer) {
  for (const auto& to : peer.interfaces) {
    for (const auto& from : self.interfaces) {
      if (is_in_network(from, to.address)) return {&from, &to, true};
    }
  }
  if (self.interfaces.empty() || peer.interfaces.empty()) return {};
  return {&self.interfaces[0], &peer.interfaces[0], false};
}

// Bytes per second that the driver states; 0 if there is no hardware behind the interface, since
// virtual ones state anything.
double stated_rate(const std::string& interface) {
  const std::string folder = "/sys/class/net/" + interface;
  if (::access((folder + "/device").c_str(), F_OK) != 0) return 0;
  std::ifstream file(folder + "/speed");  // in Mbit/s; -1: unknown
  double megabits = 0;
  return file >> megabits && megabits > 0 ? megabits * 1e6 / 8 : 0;
}

// Empty if it connected.
std::string connect_to(const Socket& socket, uint32_t address, uint16_t port) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(address);
  ::fcntl(socket.file(), F_SETFL, O_NONBLOCK);
  int error = 0;
  if (::connect(socket.file(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    if (errno != EINPROGRESS) return std::strerror(errno);
    pollfd events = {socket.file(), POLLOUT, 0};
    if (::poll(&events, 1, kConnectMilliseconds) <= 0)
      return fmt::format("no answer within {} s", kConnectMilliseconds / 1000);
    socklen_t size = sizeof error;
    ::getsockopt(socket.file(), SOL_SOCKET, SO_ERROR, &error, &size);
  }
  if (error != 0) return std::strerror(error);
  ::fcntl(socket.file(), F_SETFL, 0);
  return "";
}

// The fastest of several round trips, which also compares the clocks best.
bool ping(const Socket& socket, LinkFacts& link) {
  link.latency_seconds = 1e9;
  for (int i = 0; i < kPings; ++i) {
    const double sent_at = wall_clock();
    const auto start = Clock::now();
    double time = 0;
    if (!socket.send(&kPing, 1) || !socket.receive(&time, sizeof time)) return false;
    const double seconds = seconds_since(start);
    if (seconds >= link.latency_seconds) continue;
    link.latency_seconds = seconds;
    link.clock_offset_seconds = time - (sent_at + seconds / 2);
  }
  return true;
}

bool stream(const Socket& socket, double seconds, LinkFacts& link) {
  int64_t sent = 0, received = 0;
  auto start = Clock::now();
  char acknowledged = 0;
  if (!socket.send(&kTake, 1) || !send_chunks(socket, seconds, sent) ||
      !socket.receive(&acknowledged, 1))
    return false;
  link.bytes_per_second =
      std::max(link.bytes_per_second, static_cast<double>(sent) / seconds_since(start));
  start = Clock::now();
  if (!socket.send(&kSend, 1) || !socket.send(&seconds, sizeof seconds) ||
      !take_chunks(socket, received))
    return false;
  link.bytes_per_second_back =
      std::max(link.bytes_per_second_back, static_cast<double>(received) / seconds_since(start));
  return true;
}

}  // namespace

LinkServer::LinkServer() : token_(std::random_device()()) {
  Socket socket = open_socket();
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  socklen_t size = sizeof any;
  if (socket.file() < 0 ||
      ::bind(socket.file(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 ||
      ::listen(socket.file(), 128) != 0 ||
      ::getsockname(socket.file(), reinterpret_cast<sockaddr*>(&any), &size) != 0)
    return;
  port_ = ntohs(any.sin_port);
  listener_ = ::dup(socket.file());
  // Connections that are still open when it ends are closed by their clients or their time limit.
  thread_ = std::thread([file = listener_, token = token_, is_ended = is_ended_] {
    while (!*is_ended) {
      pollfd events = {file, POLLIN, 0};
      if (::poll(&events, 1, 100) <= 0) continue;
      Socket client(::accept4(file, nullptr, nullptr, SOCK_CLOEXEC));
      if (client.file() < 0) continue;
      std::thread([client = std::move(client), token] { serve(client, token); }).detach();
    }
  });
}

LinkServer::~LinkServer() {
  *is_ended_ = true;
  if (thread_.joinable()) thread_.join();
  if (listener_ >= 0) ::close(listener_);
}

LinkFacts measure_link(const LinkEnd& self, const LinkEnd& peer, double stream_seconds) {
  LinkFacts link{.from = self.host, .to = peer.host};
  const auto [from, to, has_common_network] = route_between(self, peer);
  if (from == nullptr || peer.port == 0) {
    link.failure = from == nullptr ? "one of them has no interface that leads to other hosts"
                                   : "it could not open a port";
    return link;
  }
  link.interface = from->name;
  link.address = text_of(to->address);
  link.has_common_network = has_common_network;
  link.interface_bytes_per_second = stated_rate(from->name);
  const Socket socket = open_socket();
  link.failure = connect_to(socket, to->address, peer.port);
  if (!link.failure.empty()) return link;
  socket.set_options();
  const uint64_t token = peer.token;
  if (!socket.send(&token, sizeof token) || !ping(socket, link)) {
    link.failure = "connected, but messages do not arrive";
    return link;
  }
  const auto start = Clock::now();
  bool is_whole = stream(socket, stream_seconds / 2, link);
  if (is_whole && seconds_since(start) < kLongSeconds)  // again, since a host may be busy
    is_whole = stream(socket, stream_seconds / 2, link);
  if (!is_whole) {  // not even the buffers were drained in time
    constexpr double kAtMost = static_cast<double>(kBuffer) / kAnswerSeconds;
    if (link.bytes_per_second == 0) link.bytes_per_second = kAtMost;
    if (link.bytes_per_second_back == 0) link.bytes_per_second_back = kAtMost;
  }
  return link;
}

// The circle method: the last host stays, the others move on by one place each round.
std::vector<int> partners_of(int host, int hosts) {
  const int even = hosts + hosts % 2, moving = even - 1;
  std::vector<int> partners;
  for (int round = 0; round < moving; ++round) {
    int partner = 0;
    if (host == moving) {
      partner = (round * (even / 2)) % moving;
    } else {
      partner = ((round - host) % moving + moving) % moving;
      if (partner == host) partner = moving;
    }
    partners.push_back(partner < hosts ? partner : -1);
  }
  return partners;
}

}  // namespace ripieno::tools::doctor
