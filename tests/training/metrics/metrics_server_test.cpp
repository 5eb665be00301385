#include "ripieno/training/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vector>

#include "ripieno/core/error.h"

namespace ripieno {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

int connected_to(uint16_t port) {
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return client;
}

std::string answer_to(uint16_t port, const std::string& request) {
  const int client = connected_to(port);
  EXPECT_GT(::send(client, request.data(), request.size(), MSG_NOSIGNAL), 0);
  std::string answer;
  char bytes[4096];
  for (ssize_t count; (count = ::recv(client, bytes, sizeof bytes, 0)) > 0;)
    answer.append(bytes, static_cast<std::size_t>(count));
  ::close(client);
  return answer;
}

TEST(ServerAddress, IsOnLoopbackUnlessToldOtherwise) {
  EXPECT_EQ(parse_server_address("9400").host, "127.0.0.1");
  EXPECT_EQ(parse_server_address(":9400").port, 9400);
  EXPECT_EQ(parse_server_address("0.0.0.0:1").host, "0.0.0.0");
  EXPECT_EQ(parse_server_address("[::1]:9400").host, "::1");
  for (const char* bad : {"", "host", "127.0.0.1", "127.0.0.1:", "1.2.3.4:65536", "example.org:80"})
    EXPECT_THROW(parse_server_address(bad), ConfigurationError) << bad;
}

TEST(HttpAnswer, IsGivenOnceTheRequestIsWhole) {
  EXPECT_EQ(http_answer("GET /metrics HTTP/1.1\r\nHost: x\r\n", "m"), "");
  EXPECT_THAT(http_answer("GET /metrics?x=1 HTTP/1.1\r\n\r\n", "m\n"),
              StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(http_answer("GET / HTTP/1.0\r\n\r\n", "m"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(http_answer("POST /metrics HTTP/1.1\r\n\r\n", "m"), StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(http_answer("\x16\x03\x01\n", "m"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(http_answer(std::string(9000, 'x'), "m"), StartsWith("HTTP/1.1 431"));
}

TEST(MetricsServer, AnswersWithWhatWasPublishedLast) {
  MetricsServer server({"127.0.0.1", 0});
  server.publish("one 1\n");
  server.publish("two 2\n");
  const std::string answer = answer_to(server.port(), "GET /metrics HTTP/1.1\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("\r\n\r\ntwo 2\n"));
}

TEST(MetricsServer, AnswersWhileOthersSayNothing) {
  MetricsServer server({"127.0.0.1", 0});
  std::vector<int> silent;
  for (std::size_t i = 0; i + 1 < MetricsServer::kMostClients; ++i)
    silent.push_back(connected_to(server.port()));
  EXPECT_THAT(answer_to(server.port(), "GET /metrics HTTP/1.1\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
  for (const int client : silent) ::close(client);
}

TEST(MetricsServer, NamesAPortThatIsInUse) {
  MetricsServer server({"127.0.0.1", 0});
  try {
    MetricsServer second({"127.0.0.1", server.port()});
    ADD_FAILURE() << "listens on a port that is in use";
  } catch (const CommunicationFailure& error) {
    EXPECT_THAT(error.what(), HasSubstr("choose another port"));
  }
}

}  // namespace
}  // namespace ripieno
