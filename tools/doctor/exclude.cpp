#include "ripieno/tools/doctor/exclude.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace ripieno::tools::doctor {
namespace {

bool is_excluded(const std::vector<ExcludedHost>& excluded, const std::string& host) {
  return std::any_of(excluded.begin(), excluded.end(),
                     [&](const ExcludedHost& entry) { return entry.host == host; });
}

struct BadLink {
  std::string from, to, code;
};

std::vector<BadLink> bad_links_of(const JobFacts& job) {
  std::vector<BadLink> bad;
  for (const auto& rank : job.ranks) {
    for (const auto& link : rank.links) {
      const JobFacts alone{.ranks = {{.host = link.from, .links = {link}}, {.host = link.to}},
                           .link_gbits = job.link_gbits};
      for (const auto& finding : check_links(alone)) {
        if (finding.severity == Severity::problem)
          bad.push_back({link.from, link.to, finding.code});
      }
    }
  }
  return bad;
}

// The host with the most of these links; the later of two in `hosts`.
ExcludedHost worst_of(const std::vector<BadLink>& links, const std::vector<std::string>& hosts) {
  std::map<std::string, int> counts;
  for (const auto& link : links) {
    ++counts[link.from];
    ++counts[link.to];
  }
  ExcludedHost worst;
  int most = 0;
  for (const auto& host : hosts) {
    if (counts[host] < std::max(most, 1)) continue;
    most = counts[host];
    worst.host = host;
  }
  const auto touches = [&](const BadLink& link) {
    return link.from == worst.host || link.to == worst.host;
  };
  worst.code = std::find_if(links.begin(), links.end(), touches)->code;
  return worst;
}

}  // namespace

std::vector<ExcludedHost> hosts_to_exclude(const JobFacts& job,
                                           const std::vector<std::vector<Finding>>& of_hosts) {
  const auto hosts = hosts_of(job);
  std::vector<ExcludedHost> excluded;
  for (std::size_t i = 0; i < hosts.size() && i < of_hosts.size(); ++i) {
    const auto problem =
        std::find_if(of_hosts[i].begin(), of_hosts[i].end(), [](const Finding& finding) {
          return finding.severity == Severity::problem && finding.code != kMpiFails.code;
        });
    if (problem != of_hosts[i].end()) excluded.push_back({hosts[i], problem->code});
  }
  if (excluded.size() == hosts.size()) excluded.clear();
  for (auto links = bad_links_of(job);;) {
    std::erase_if(links, [&](const BadLink& link) {
      return is_excluded(excluded, link.from) || is_excluded(excluded, link.to);
    });
    if (links.empty()) return excluded;
    excluded.push_back(worst_of(links, hosts));
  }
}

std::string exclude_file_text(const std::vector<ExcludedHost>& hosts) {
  std::string text = "# Written by ripieno doctor, for ripieno launch --exclude-file\n";
  for (const auto& entry : hosts) text += fmt::format("{}  # {}\n", entry.host, entry.code);
  return text;
}

}  // namespace ripieno::tools::doctor
