// MetricsServer: answers GET /metrics over HTTP, for Prometheus, on a thread of its own.
//
// It answers with the text that was published last, so a request costs the run nothing. Clients
// that are slow, silent or send something else are disconnected, as are those beyond kMostClients.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace ripieno {

struct ServerAddress {
  std::string host;  // an IPv4 or IPv6 address
  uint16_t port = 0;
};

// "HOST:PORT", ":PORT" or "PORT"; HOST is an IP address ("[::1]") or localhost, and the loopback
// address if it is missing. Throws ConfigurationError.
ServerAddress parse_server_address(const std::string& address);

class MetricsServer {
 public:
  static constexpr std::size_t kMostClients = 32;
  static constexpr double kClientSeconds = 5;  // from the connection to the end of the answer

  // Throws CommunicationFailure if the address cannot be used, e.g. because the port is in use.
  explicit MetricsServer(const ServerAddress& address);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  // Thread-safe.
  void publish(std::string text);
  // The port that is listened on: the one that was chosen by the system if it was 0.
  uint16_t port() const { return port_; }

 private:
  class Clients;

  void serve();
  bool accept_clients(Clients& clients);
  std::shared_ptr<const std::string> text() const;

  int listener_ = -1;
  int stop_ = -1;  // an event that ends the thread
  uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::shared_ptr<const std::string> text_;  // guarded by mutex_
  std::thread thread_;
};

// The answer to a request, or to the beginning of one; empty while the request is incomplete.
std::string http_answer(std::string_view request, std::string_view metrics);

}  // namespace ripieno
