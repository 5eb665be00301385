#include <csignal>

#include "tools/explain/recorded_run.h"

namespace ripieno::tools::explain {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(NetworkDiagnoses, NameACollectiveThatDoesNotComplete) {
  RecordedRun run(4);
  const auto wait = [](io::FlightWriter& writer) { writer.begin(all_reduce(77)); };
  run.write(0, 2, {.host = "a", .in_place = 50, .acts = wait});
  run.write(2, 4, {.host = "b", .in_place = 50, .acts = wait});
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-NET-01", Role::root, 0),
                                says("ranks 0-3 have been in all_reduce 77 for 50 s"),
                                says("between 2 hosts does not deliver"))));
}

RecordedRank cut_off(const std::string& host, uint64_t sequence, double seconds) {
  return {.host = host, .in_place = seconds, .ended = 0.1, .acts = [=](auto& writer) {
            writer.begin(all_reduce(sequence));
            writer.end_process(io::FlightEnd::Kind::signal, 143, SIGTERM, "TERM");
          }};
}

// mpirun ends all ranks when it misses a host, and storage may have outlived the network.
TEST(NetworkDiagnoses, NameANetworkThatFailedBeforeTheJobWasEnded) {
  RecordedRun run(2);
  run.write(0, 1, cut_off("a", 167, 6));
  run.write(1, 2, cut_off("b", 168, 6));
  const auto findings = run.findings();
  ASSERT_THAT(codes(findings), ElementsAre("R-NET-01", "R-HOST-04"));
  EXPECT_THAT(
      findings[0],
      AllOf(is_finding("R-NET-01", Role::root, 0), says("all 2 ranks were in collectives for 6 s"),
            says("rank 0 in all_reduce 167"), says("or one of them was lost")));
  EXPECT_EQ(findings[1].role, Role::teardown);
}

TEST(NetworkDiagnoses, DoNotBlameTheNetworkForAShortWait) {
  RecordedRun run(2);
  run.write(0, 1, cut_off("a", 167, 6));
  run.write(1, 2, cut_off("b", 168, 1));
  EXPECT_THAT(codes(run.findings()), ElementsAre("R-HOST-04"));
}

TEST(NetworkDiagnoses, DoNotBlameTheNetworkBetweenProcessesOfOneHost) {
  RecordedRun run(2);
  run.write(0, 2, cut_off("a", 167, 6));
  EXPECT_THAT(codes(run.findings()), ElementsAre("R-HOST-04"));
}

RecordedRank communicating(const std::string& host, double seconds, int64_t resent) {
  return {.host = host, .heartbeat = {.retransmitted = resent}, .acts = [=](auto& writer) {
            writer.begin(all_reduce(1));
            writer.end(false);
            take_steps(writer, 30, {0.001, 0.02, 0.03, seconds, 0.005});
          }};
}

TEST(NetworkDiagnoses, NameASlowNetworkAndTheHostThatSendsAgain) {
  RecordedRun run(4);
  run.write(0, 2, communicating("a", 0.4, 12));
  run.write(2, 4, communicating("c", 0.4, 12034));
  EXPECT_THAT(run.findings(),
              ElementsAre(AllOf(is_finding("R-NET-02", Role::root, -1),
                                says("communication takes 88 % of the step on all ranks (400 ms"),
                                says("all_reduce of 4.0 MB proceeds at"),
                                says("host c has sent 12034 TCP segments again, the others at "
                                     "most 12"))));
}

TEST(NetworkDiagnoses, AreSilentIfCommunicationIsCheap) {
  RecordedRun run(2);
  run.write(0, 2, communicating("a", 0.01, 12));
  EXPECT_THAT(run.findings(), IsEmpty());
}

// Ranks that wait for a slow one do not suffer from the network.
TEST(NetworkDiagnoses, DoNotBlameTheNetworkForASlowRank) {
  RecordedRun run(3);
  run.write(0, 2, communicating("a", 0.4, 12));
  run.write({.rank = 2, .acts = [](auto& writer) {
               take_steps(writer, 30, {0.001, 0.2, 0.23, 0.01, 0.005});
             }});
  EXPECT_THAT(codes(run.findings()), ElementsAre("R-SLOW-01"));
}

constexpr const char* kReport = R"({"nccl_version": "2.28.9", "communicators": [{
  "hash": "0x1", "size": 3, "ranks": [
    {"rank": 0, "host": "a", "pid": 4700, "status": {"async_error": 0},
     "collective_counts": {"AllReduce": 1842, "Broadcast": 1}},
    {"rank": 1, "host": "a", "pid": 4701, "status": {"async_error": 6},
     "collective_counts": {"AllReduce": 1841, "Broadcast": 1}}],
  "missing_ranks": [{"rank": 2, "host": "b", "pid": 4702,
     "status": {"unresponsive": true, "considered_dead": true}}]}]})";

RunFacts with_nccl(const std::string& report) {
  RecordedRun recorded(3);
  recorded.write(0, 3,
                 {.in_place = 40, .acts = [](auto& writer) { writer.begin(all_reduce(1842)); }});
  RunFacts run = recorded.read();
  run.nccl = parse_nccl_report(report);
  return run;
}

TEST(NetworkDiagnoses, PassOnWhatNcclSays) {
  const auto findings = diagnose(with_nccl(kReport));
  EXPECT_THAT(findings,
              testing::IsSupersetOf({
                  AllOf(is_finding("R-NET-03", Role::root, 2),
                        says("considers dead rank 2 (pid 4702) of a communicator of 3 ranks")),
                  AllOf(is_finding("R-NET-03", Role::root, 1), says("NCCL reports error 6")),
                  AllOf(is_finding("R-NET-04", Role::consequence, 1),
                        says("rank 1 has called AllReduce 1841 times, another rank 1842 times")),
              }));
}

TEST(NetworkDiagnoses, IgnoreTheCommunicatorsOfOtherJobs) {
  std::string other = kReport;
  for (std::size_t at; (at = other.find("\"pid\": 47")) != std::string::npos;)
    other.replace(at, 9, "\"pid\": 99");
  EXPECT_THAT(codes(diagnose(with_nccl(other))), ElementsAre("R-NET-01"));
}

}  // namespace
}  // namespace ripieno::tools::explain
