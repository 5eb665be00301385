#include "ripieno/tools/doctor/checks/ranks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/tools/doctor/exclude.h"
#include "ripieno/tools/doctor/letters.h"
#include "ripieno/tools/doctor/report.h"
#include "ripieno/tools/launch/mpirun/hosts.h"

namespace ripieno::tools::doctor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

LinkFacts sound_link(const std::string& from, const std::string& to) {
  return {.from = from,
          .to = to,
          .interface = "eth0",
          .address = "10.0.0.2",
          .latency_seconds = 1e-4,
          .bytes_per_second = 1.2e9,
          .bytes_per_second_back = 1.1e9,
          .interface_bytes_per_second = 1.25e9};
}

RankFacts rank_on(const std::string& host, std::vector<LinkFacts> links = {}) {
  return {.host = host, .build = "1", .fingerprint = "f", .links = std::move(links)};
}

// One rank on each of three hosts, on which nothing is wrong.
JobFacts sound_job() {
  return {
      .ranks = {rank_on("a", {sound_link("a", "b"), sound_link("a", "c")}),
                rank_on("b", {sound_link("b", "c")}), rank_on("c")},
      .all_reduce = AllReduceFacts{
          .wrong_elements = {0, 0, 0}, .small_seconds = 1e-4, .bytes = 1 << 24, .seconds = 0.025}};
}

template <typename Change>
std::vector<Finding> findings_after(Change change) {
  JobFacts job = sound_job();
  change(job);
  auto findings = check_job(job);
  std::erase_if(findings, [](const Finding& finding) { return finding.code.empty(); });
  return findings;
}

template <typename Change>
std::vector<std::string> codes_after(Change change) {
  std::vector<std::string> codes;
  for (const auto& finding : findings_after(change)) codes.push_back(finding.code);
  return codes;
}

std::vector<std::string> excluded_after(const std::vector<std::pair<int, int>>& cut) {
  JobFacts job = sound_job();
  for (const auto& [rank, link] : cut)
    job.ranks[static_cast<std::size_t>(rank)].links[static_cast<std::size_t>(link)].failure = "cut";
  std::vector<std::string> hosts;
  for (const auto& entry : hosts_to_exclude(job, {{}, {}, {}})) hosts.push_back(entry.host);
  return hosts;
}

}  // namespace

TEST(DoctorJob, HasNoFindingIfNothingIsWrong) {
  EXPECT_THAT(codes_after([](auto&) {}), IsEmpty());
}

TEST(DoctorJob, NamesBothEndsOfACutLink) {
  const auto findings =
      findings_after([](auto& job) { job.ranks[0].links[1].failure = "no answer within 2 s"; });
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "D-NET-03");
  EXPECT_EQ(findings[0].where, "a and c");
  EXPECT_THAT(findings[0].what, HasSubstr("eth0"));
}

TEST(DoctorJob, NamesTheSenderOfASlowLink) {
  const auto findings =
      findings_after([](auto& job) { job.ranks[1].links[0].bytes_per_second_back = 1.25e7; });
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "D-NET-04");
  EXPECT_EQ(findings[0].where, "c");
  EXPECT_THAT(findings[0].what, HasSubstr("c sends to b at 100 Mbit/s"));
}

TEST(DoctorJob, ExpectsWhatTheUserStatesOfALink) {
  EXPECT_THAT(codes_after([](auto& job) { job.link_gbits = 100; }),
              testing::AllOf(testing::SizeIs(6), testing::Each("D-NET-04")));
  EXPECT_THAT(codes_after([](auto& job) { job.link_gbits = 10; }), IsEmpty());
}

TEST(DoctorJob, FindsClockSkewBetweenHosts) {
  const auto findings =
      findings_after([](auto& job) { job.ranks[0].links[0].clock_offset_seconds = -90; });
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].code, "D-CLK-01");
  EXPECT_THAT(findings[0].what, HasSubstr("b is 90 s behind that of a"));
}

TEST(DoctorJob, FindsWhatDiffersBetweenRanks) {
  EXPECT_THAT(codes_after([](auto& job) { job.ranks[2].build = "2"; }), ElementsAre("D-MPI-07"));
  EXPECT_THAT(codes_after([](auto& job) { job.ranks[2].fingerprint = "g"; }),
              ElementsAre("D-DAT-04"));
  EXPECT_THAT(codes_after([](auto& job) { job.ranks[2].unseen = {0}; }), ElementsAre("D-STO-06"));
  EXPECT_THAT(codes_after([](auto& job) { job.ranks[2] = {.has_reported = false}; }),
              ElementsAre("D-MPI-06"));
}

TEST(DoctorJob, ComparesTheAllReduceWithItsLink) {
  EXPECT_THAT(codes_after([](auto& job) { job.all_reduce->wrong_elements[1] = 3; }),
              ElementsAre("D-MPI-04"));
  EXPECT_THAT(codes_after([](auto& job) { job.all_reduce->seconds = 0.2; }),
              ElementsAre("D-MPI-05"));
}

TEST(DoctorJob, SaysWhatItCouldNotCheck) {
  JobFacts job = sound_job();
  job.all_reduce.reset();
  job.ranks[1].links.clear();
  int not_checked = 0;
  for (const auto& finding : check_job(job))
    not_checked += finding.severity == Severity::not_checked;
  EXPECT_EQ(not_checked, 2);
}

TEST(DoctorExclude, DropsTheHostWithTheMostCutLinks) {
  EXPECT_THAT(excluded_after({}), IsEmpty());
  EXPECT_THAT(excluded_after({{0, 0}, {1, 0}}), ElementsAre("b"));
  EXPECT_THAT(excluded_after({{0, 0}}), ElementsAre("b"));  // the later of two
}

TEST(DoctorExclude, DropsHostsWithAProblemUnlessAllHaveOne) {
  const Finding problem = found("storage", kReadOnly, "x");
  const auto hosts = hosts_to_exclude(sound_job(), {{}, {problem}, {}});
  ASSERT_EQ(hosts.size(), 1u);
  const auto read = parse_host_file("f", exclude_file_text(hosts));
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].name, "b");
  EXPECT_THAT(hosts_to_exclude(sound_job(), {{problem}, {problem}, {problem}}), IsEmpty());
}

TEST(DoctorLinks, AreMeasuredOnceEach) {
  for (const int hosts : {2, 3, 4, 7, 16}) {
    std::set<std::pair<int, int>> pairs;
    for (int host = 0; host < hosts; ++host) {
      const auto partners = partners_of(host, hosts);
      for (std::size_t round = 0; round < partners.size(); ++round) {
        if (partners[round] < 0) continue;
        EXPECT_EQ(partners_of(partners[round], hosts)[round], host);
        if (partners[round] < host) continue;
        EXPECT_TRUE(pairs.insert({host, partners[round]}).second);
      }
    }
    EXPECT_EQ(std::ssize(pairs), hosts * (hosts - 1) / 2);
  }
}

TEST(DoctorLinks, AreMeasuredOverTheLoopback) {
  const LinkServer server;
  const LinkEnd end{"a", {{"lo", 127u << 24 | 1, 8}}, server.port(), server.token()};
  const auto link = measure_link(end, end, 0.05);
  EXPECT_EQ(link.failure, "");
  EXPECT_EQ(link.address, "127.0.0.1");
  EXPECT_GT(link.bytes_per_second, 0);
  EXPECT_GT(link.bytes_per_second_back, 0);
  EXPECT_LT(std::abs(link.clock_offset_seconds), 1);
}

TEST(DoctorLinks, FailWithoutTheTokenOrAServer) {
  const LinkServer server;
  const LinkEnd end{"a", {{"lo", 127u << 24 | 1, 8}}, server.port(), server.token() + 1};
  EXPECT_NE(measure_link(end, end, 0.05).failure, "");
  const LinkEnd closed{"a", end.interfaces, 0, 0};
  EXPECT_NE(measure_link(end, closed, 0.05).failure, "");
}

TEST(DoctorLetters, AreReadAsTheyWereWritten) {
  const Introduction introduction{{"a", {{"eth0", 10u << 24, 24}}, 4711, 99}, 3};
  EXPECT_EQ(text_of(introduction_in(text_of(introduction))), text_of(introduction));
  RankReport report{.facts = sound_job().ranks[0], .findings = {found("data", kBadData, "x", "y")}};
  report.facts.unseen = {2};
  report.findings[0].what = "\xff";
  const auto read = report_in(text_of(report));
  EXPECT_EQ(text_of(read), text_of(report_in(text_of(read))));
  EXPECT_EQ(read.facts.links[1].to, "c");
  EXPECT_EQ(read.findings[0].code, "D-DAT-02");
  EXPECT_THROW(report_in("{}"), Error);
}

TEST(DoctorReport, HasProblemsLastWithTheirRemedy) {
  const std::vector<Finding> findings = {found("storage", kReadOnly, "x", "/runs on a"),
                                         ok("clock", "runs steadily"),
                                         not_checked("data", "no file")};
  const std::string text = to_text("1 rank", findings, 1);
  EXPECT_LT(text.find("ok           clock"), text.find("not checked  data"));
  EXPECT_LT(text.find("not checked  data"), text.find("problem      D-STO-02 storage"));
  EXPECT_LT(text.find("problem      D-STO-02"), text.find("To do: mount it read-write"));
  EXPECT_THAT(text, HasSubstr("\n1 problem; docs/doctor.md"));
}

}  // namespace ripieno::tools::doctor
