#include "ripieno/tools/doctor/checks/ranks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "ripieno/tools/table.h"

namespace ripieno::tools::doctor {
namespace {

constexpr const char* kLinks = "links";
constexpr double kMostSkewSeconds = 1;
constexpr double kHighLatencySeconds = 5e-3;
// A connection fills a fast network only with several streams; one is measured.
constexpr double kMostOfOneStream = 20e9 / 8;
// Of an interface that states nothing: a gigabit, the slowest network that is of use.
constexpr double kAssumedRate = 1e9 / 8;
constexpr double kSlowAllReduceSeconds = 2e-3;  // of 4 bytes, on one host
constexpr double kSlowMemory = 50e6;            // bytes per second through memory

double expected_rate(const LinkFacts& link, const JobFacts& job) {
  if (job.link_gbits > 0) return std::min(job.link_gbits * 1e9 / 8, kMostOfOneStream);
  const double stated = link.interface_bytes_per_second;
  return std::min(stated > 0 ? stated : kAssumedRate, kMostOfOneStream);
}

std::string megabits(double bytes_per_second) {
  const double rate = bytes_per_second * 8e-6;
  return rate < 1000 ? fmt::format("{:.3g} Mbit/s", rate)
                     : fmt::format("{:.3g} Gbit/s", rate / 1000);
}

void check_rate(const LinkFacts& link, const JobFacts& job, std::vector<Finding>& findings) {
  const double expected = expected_rate(link, job);
  const auto check = [&](const std::string& from, const std::string& to, double rate) {
    if (rate <= 0 || rate >= expected / 2) return;
    findings.push_back(
        found(kLinks, kSlowLink,
              fmt::format("{} sends to {} at {} over {}; at least {} are expected", from, to,
                          megabits(rate), link.interface, megabits(expected / 2)),
              from));
  };
  check(link.from, link.to, link.bytes_per_second);
  check(link.to, link.from, link.bytes_per_second_back);
}

void check_link(const LinkFacts& link, const JobFacts& job, std::vector<Finding>& findings) {
  if (!link.failure.empty()) {
    findings.push_back(found(kLinks, kCutLink,
                             fmt::format("{} cannot connect to {} ({}) over {}: {}", link.from,
                                         link.to, link.address, link.interface, link.failure),
                             fmt::format("{} and {}", link.from, link.to)));
    return;
  }
  if (!link.has_common_network) {
    findings.push_back(found(kLinks, kNoCommonNetwork,
                             fmt::format("{} and {} have no common network", link.from, link.to),
                             fmt::format("{} and {}", link.from, link.to)));
  }
  if (link.latency_seconds > kHighLatencySeconds) {
    findings.push_back(found(kLinks, kLatency,
                             fmt::format("a round trip between {} and {} takes {:.3g} ms",
                                         link.from, link.to, 1e3 * link.latency_seconds),
                             fmt::format("{} and {}", link.from, link.to)));
  }
  check_rate(link, job, findings);
}

std::vector<LinkFacts> links_of(const JobFacts& job) {
  std::vector<LinkFacts> links;
  for (const auto& rank : job.ranks)
    links.insert(links.end(), rank.links.begin(), rank.links.end());
  return links;
}

// The lowest rate of the links that were measured; 0 if none was.
double slowest_link(const JobFacts& job) {
  double slowest = 0;
  for (const auto& link : links_of(job)) {
    for (const double rate : {link.bytes_per_second, link.bytes_per_second_back}) {
      if (rate > 0 && (slowest == 0 || rate < slowest)) slowest = rate;
    }
  }
  return slowest;
}

// The value that most ranks have, and the hosts with another one.
template <typename Value>
std::pair<std::string, std::vector<std::string>> deviating(const JobFacts& job, Value value) {
  std::map<std::string, int> counts;
  for (const auto& rank : job.ranks)
    if (rank.has_reported && !value(rank).empty()) ++counts[value(rank)];
  if (counts.size() < 2) return {};
  const auto most = std::max_element(counts.begin(), counts.end(), [](auto& a, auto& b) {
                      return a.second < b.second;
                    })->first;
  std::vector<std::string> hosts;
  for (const auto& rank : job.ranks) {
    const bool differs = rank.has_reported && !value(rank).empty() && value(rank) != most;
    if (differs && std::find(hosts.begin(), hosts.end(), rank.host) == hosts.end())
      hosts.push_back(rank.host);
  }
  return {most, hosts};
}

}  // namespace

std::vector<std::string> hosts_of(const JobFacts& job) {
  std::vector<std::string> hosts;
  for (const auto& rank : job.ranks) {
    if (rank.has_reported && std::find(hosts.begin(), hosts.end(), rank.host) == hosts.end())
      hosts.push_back(rank.host);
  }
  return hosts;
}

std::vector<Finding> check_presence(const JobFacts& job) {
  std::vector<int> lost;
  for (std::size_t i = 0; i < job.ranks.size(); ++i)
    if (!job.ranks[i].has_reported) lost.push_back(static_cast<int>(i));
  if (lost.empty()) return {};
  return {found("ranks", kLostRank,
                fmt::format("neither MPI nor the storage delivers messages of rank {}",
                            fmt::join(lost, ", ")))};
}

std::vector<Finding> check_builds(const JobFacts& job) {
  const auto [most, hosts] = deviating(job, [](const RankFacts& rank) { return rank.build; });
  if (hosts.empty()) return {ok("builds", "the same on all ranks")};
  return {found("builds", kOtherBuild, fmt::format("most ranks run {}", most),
                fmt::format("{}", fmt::join(hosts, ", ")))};
}

std::vector<Finding> check_clocks(const JobFacts& job) {
  std::vector<Finding> findings;
  bool is_measured = false;
  for (const auto& link : links_of(job)) {
    if (!link.failure.empty()) continue;
    is_measured = true;
    const double offset = link.clock_offset_seconds;
    if (std::abs(offset) <= kMostSkewSeconds) continue;
    findings.push_back(
        found("clocks", kClockSkew,
              fmt::format("the clock of {} is {:.3g} s {} that of {}", link.to, std::abs(offset),
                          offset > 0 ? "ahead of" : "behind", link.from),
              fmt::format("{} and {}", link.from, link.to)));
  }
  if (!findings.empty()) return findings;
  if (!is_measured) return {not_checked("clocks", "requires a link between two hosts")};
  return {ok("clocks", "equal within a second on all hosts")};
}

std::vector<Finding> check_links(const JobFacts& job) {
  const auto links = links_of(job);
  const auto hosts = std::ssize(hosts_of(job));
  if (hosts < 2) return {not_checked(kLinks, "all ranks are on one host")};
  std::vector<Finding> findings;
  for (const auto& link : links) check_link(link, job, findings);
  const int64_t pairs = hosts * (hosts - 1) / 2;
  if (std::ssize(links) < pairs) {
    findings.push_back(not_checked(kLinks, fmt::format("{} of {} pairs of hosts: no time was left",
                                                       pairs - std::ssize(links), pairs)));
  }
  if (findings.empty()) {
    findings.push_back(ok(kLinks, fmt::format("{}, {} or more", counted(pairs, "pair"),
                                              megabits(slowest_link(job)))));
  }
  return findings;
}

std::vector<Finding> check_shared_storage(const JobFacts& job) {
  std::vector<Finding> findings;
  for (const auto& rank : job.ranks) {
    for (const int other : rank.unseen) {
      const auto& writer = job.ranks[static_cast<std::size_t>(other)];
      if (!writer.has_reported || !writer.has_written) continue;  // reported as such
      findings.push_back(found("shared storage", kNotShared,
                               fmt::format("{} does not see the file that rank {} wrote on {}",
                                           rank.host, other, writer.host),
                               rank.host));
    }
  }
  if (findings.empty()) findings.push_back(ok("shared storage", "files of all ranks are seen"));
  return findings;
}

std::vector<Finding> check_same_data(const JobFacts& job) {
  const auto [most, hosts] = deviating(job, [](const RankFacts& rank) { return rank.fingerprint; });
  if (hosts.empty()) return {};
  return {found("data", kOtherData, fmt::format("most hosts have data with fingerprint {}", most),
                fmt::format("{}", fmt::join(hosts, ", ")))};
}

std::vector<Finding> check_all_reduce(const JobFacts& job) {
  constexpr const char* kSubject = "all-reduce";
  if (!job.all_reduce) return {not_checked(kSubject, "MPI does not deliver messages")};
  const auto& facts = *job.all_reduce;
  std::vector<Finding> findings;
  for (std::size_t i = 0; i < facts.wrong_elements.size(); ++i) {
    if (facts.wrong_elements[i] == 0) continue;
    findings.push_back(
        found(kSubject, kWrongSum,
              fmt::format("rank {} has {} wrong elements", i, facts.wrong_elements[i]),
              job.ranks[i].host));
  }
  const int ranks = static_cast<int>(job.ranks.size());
  const double rate = bytes_per_second_of(facts, ranks), link = slowest_link(job);
  const auto measured = fmt::format("{:.3g} ms for 4 bytes, {} of {}", 1e3 * facts.small_seconds,
                                    megabits(rate), readable_bytes(facts.bytes));
  const bool is_slow = link > 0 ? rate < 0.3 * link
                                : facts.small_seconds > kSlowAllReduceSeconds || rate < kSlowMemory;
  if (is_slow) {
    findings.push_back(found(
        kSubject, kSlowSum,
        measured + (link > 0 ? fmt::format("; the slowest link gives {}", megabits(link)) : "")));
  }
  if (findings.empty()) findings.push_back(ok(kSubject, "correct; " + measured));
  return findings;
}

std::vector<Finding> check_job(const JobFacts& job) {
  std::vector<Finding> findings;
  for (const auto check : {check_presence, check_builds, check_clocks, check_shared_storage,
                           check_same_data, check_links, check_all_reduce}) {
    auto more = check(job);
    findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                    std::make_move_iterator(more.end()));
  }
  return findings;
}

}  // namespace ripieno::tools::doctor
