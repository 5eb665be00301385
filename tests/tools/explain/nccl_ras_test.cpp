#include "ripieno/tools/explain/run/nccl_ras.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace ripieno::tools::explain {
namespace {

using testing::StartsWith;

// Answers one client as the service does. An empty answer to the last request: none, and the
// connection stays open.
class Service {
 public:
  explicit Service(std::string answer) : answer_(std::move(answer)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(listener_, 1), 0);
    socklen_t length = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Service() {
    thread_.join();
    ::close(listener_);
  }

  std::string address() const { return "localhost:" + std::to_string(port_); }
  const std::string& requests() const { return requests_; }

 private:
  void serve() {
    const int client = ::accept(listener_, nullptr, nullptr);
    std::string pending;
    char byte;
    while (::read(client, &byte, 1) == 1) {
      pending += byte;
      if (byte != '\n') continue;
      requests_ += pending;
      const bool is_last = pending.starts_with("VERBOSE");
      const std::string reply = pending.starts_with("CLIENT") ? "SERVER PROTOCOL 2\n"
                                : is_last                     ? answer_
                                                              : "OK\n";
      pending.clear();
      EXPECT_EQ(::write(client, reply.data(), reply.size()), std::ssize(reply));
      if (is_last && !answer_.empty()) break;
    }
    ::close(client);
  }

  const std::string answer_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  uint16_t port_ = 0;
  std::string requests_;
  std::thread thread_;
};

TEST(NcclRas, ReadsTheReportOfTheService) {
  std::string report = R"({"nccl_version": "2.28.9", "communicators": [{"size": 8, "ranks": [)";
  for (int rank = 0; rank < 8; ++rank)
    report += (rank ? "," : "") + std::string(R"({"rank": )") + std::to_string(rank) +
              R"(, "collective_counts": {"AllReduce": 5}})";
  report += R"(], "missing_ranks": []}]})" + std::string(100'000, ' ');
  NcclReport read;
  {
    const Service service(report);
    read = ask_nccl(service.address(), 20);
  }
  EXPECT_EQ(read.version, "2.28.9");
  ASSERT_EQ(read.communicators.size(), 1u);
  ASSERT_EQ(read.communicators[0].ranks.size(), 8u);
  EXPECT_EQ(read.communicators[0].ranks[7].collectives.at("AllReduce"), 5u);
}

TEST(NcclRas, AsksForJson) {
  std::string requests;
  {
    Service service("{}");
    EXPECT_EQ(ask_nccl(service.address(), 20).version, "");
    requests = service.requests();
  }
  EXPECT_THAT(requests, StartsWith("CLIENT PROTOCOL 2\nTIMEOUT 1\nSET FORMAT json\n"));
}

TEST(NcclRas, GivesUpOnAServiceThatDoesNotAnswer) {
  const Service service("");
  EXPECT_EQ(ask_nccl(service.address(), 0.2).version, "");
}

TEST(NcclRas, ToleratesWhatIsNotAReport) {
  for (const char* text : {"", "[]", "{", R"({"nccl_version": 2})", R"({"nccl_version": "2",
       "communicators": [1, {"ranks": {}, "missing_ranks": [{"status": 1}, "x"]}]})"})
    EXPECT_NO_THROW(parse_nccl_report(text)) << text;
  for (const char* address :
       {"", "nowhere", "localhost:", "localhost:99999", "example.org:1", "127.0.0.1:1"})
    EXPECT_EQ(ask_nccl(address, 1).version, "") << address;
}

}  // namespace
}  // namespace ripieno::tools::explain
