#include "ripieno/tools/launch/mpirun/hosts.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <sstream>

#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

constexpr int kMostSlots = 4096;
constexpr std::size_t kMostHosts = 100'000;
constexpr const char* kOfMpiOperator = "/etc/mpi/hostfile";

std::optional<int> number_in(std::string_view text) {
  int number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || rest != end || number < 0) return std::nullopt;
  return number;
}

// No leading '-', which the remote shell would take for an option.
bool is_host_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return !name.empty() && name[0] != '-' && std::all_of(name.begin(), name.end(), is_allowed);
}

int slots_in(const std::string& where, std::string_view text) {
  const auto slots = number_in(text);
  if (slots && *slots >= 1 && *slots <= kMostSlots) return *slots;
  throw ConfigurationError(
      fmt::format("{}: the number of slots must be an integer from 1 to {}, got \"{}\"", where,
                  kMostSlots, text));
}

Host parse_host(const std::string& where, const std::string& line) {
  std::istringstream words(line);
  Host host;
  words >> host.name;
  if (const auto colon = host.name.find(':'); colon != std::string::npos) {
    host.slots = slots_in(where, std::string_view(host.name).substr(colon + 1));
    host.name.resize(colon);
  }
  if (!is_host_name(host.name)) {
    throw ConfigurationError(fmt::format(
        "{}: \"{}\" is not the name of a host; a line is HOST [slots=N]", where, host.name));
  }
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const bool is_most = key == "max_slots" || key == "max-slots";
    if (equals == std::string::npos || (key != "slots" && !is_most)) {
      throw ConfigurationError(
          fmt::format("{}: unknown word \"{}\"; a line is HOST [slots=N]", where, word));
    }
    const int number = slots_in(where, std::string_view(word).substr(equals + 1));
    if (!is_most) host.slots = number;
  }
  return host;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || text.fail()) {
    throw ConfigurationError(path + ": cannot read the host file; check its name and permissions");
  }
  return text.str();
}

[[noreturn]] void wrong_list(const char* variable, std::string_view list) {
  throw ConfigurationError(fmt::format(
      "{}={}: not a list in Slurm's notation; pass --hostfile instead", variable, list));
}

// Splits at commas outside of brackets.
std::vector<std::string_view> elements_of(std::string_view list) {
  std::vector<std::string_view> elements;
  std::size_t begin = 0;
  int depth = 0;
  for (std::size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size() && list[i] == '[') ++depth;
    if (i < list.size() && list[i] == ']') --depth;
    if (i < list.size() && (list[i] != ',' || depth > 0)) continue;
    elements.push_back(list.substr(begin, i - begin));
    begin = i + 1;
  }
  return elements;
}

// "3" or "01-03", with the zeros of the first number.
void expand_range(std::string_view range, const std::string& prefix, std::string_view list,
                  std::vector<std::string>& names) {
  const auto dash = range.find('-');
  const std::string_view first = range.substr(0, dash);
  const auto from = number_in(first);
  const auto to = dash == std::string_view::npos ? from : number_in(range.substr(dash + 1));
  if (!from || !to || *to < *from || static_cast<std::size_t>(*to - *from) > kMostHosts)
    wrong_list("SLURM_JOB_NODELIST", list);
  for (int i = *from; i <= *to; ++i)
    names.push_back(fmt::format("{}{:0{}}", prefix, i, first.size()));
}

// The text before, in and after the first pair of brackets; several pairs are expanded from the
// left.
std::vector<std::string> expand_element(std::string_view element, std::string_view list) {
  const auto open = element.find('[');
  if (open == std::string_view::npos) return {std::string(element)};
  const auto close = element.find(']', open);
  if (close == std::string_view::npos) wrong_list("SLURM_JOB_NODELIST", list);
  std::vector<std::string> names, expanded;
  for (const auto range : elements_of(element.substr(open + 1, close - open - 1)))
    expand_range(range, std::string(element.substr(0, open)), list, names);
  for (const auto& suffix : expand_element(element.substr(close + 1), list)) {
    for (const auto& name : names) expanded.push_back(name + suffix);
    if (expanded.size() > kMostHosts) wrong_list("SLURM_JOB_NODELIST", list);
  }
  return expanded;
}

std::vector<Host> hosts_of_slurm(const std::string& list, const Environment& environment) {
  const auto names = expand_node_list(list);
  const auto tasks = environment("SLURM_TASKS_PER_NODE");
  const auto counts =
      tasks ? expand_task_counts(*tasks, names.size()) : std::vector<int>(names.size(), 1);
  std::vector<Host> hosts;
  for (std::size_t i = 0; i < names.size(); ++i) hosts.push_back({names[i], counts[i]});
  return hosts;
}

// The hosts of a host file, of which there may be none.
std::vector<Host> parse_lines(const std::string& path, std::string_view text) {
  std::vector<Host> hosts;
  std::map<std::string, int> line_of;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    line = line.substr(0, line.find('#'));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = fmt::format("{}:{}", path, number);
    hosts.push_back(parse_host(where, line));
    const auto [known, is_new] = line_of.emplace(hosts.back().name, number);
    if (!is_new) {
      throw ConfigurationError(fmt::format(
          "{}: {} is listed twice, first on line {}; list each host once, with slots=N for N ranks",
          where, hosts.back().name, known->second));
    }
  }
  return hosts;
}

}  // namespace

std::vector<Host> parse_host_file(const std::string& path, std::string_view text) {
  auto hosts = parse_lines(path, text);
  if (hosts.empty())
    throw ConfigurationError(path + ": lists no host; write one per line, as HOST slots=N");
  return hosts;
}

std::vector<Host> without_excluded(std::vector<Host> hosts, const std::string& exclude_file) {
  const auto excluded = parse_lines(exclude_file, read_text(exclude_file));
  const bool had_hosts = !hosts.empty();
  std::erase_if(hosts, [&](const Host& host) {
    return std::any_of(excluded.begin(), excluded.end(),
                       [&](const Host& other) { return other.name == host.name; });
  });
  if (had_hosts && hosts.empty())
    throw ConfigurationError(exclude_file + ": excludes all hosts; leave at least one");
  return hosts;
}

std::vector<std::string> expand_node_list(std::string_view list) {
  std::vector<std::string> names;
  for (const auto element : elements_of(list)) {
    for (auto& name : expand_element(element, list)) {
      if (!is_host_name(name)) wrong_list("SLURM_JOB_NODELIST", list);
      names.push_back(std::move(name));
    }
  }
  return names;
}

std::vector<int> expand_task_counts(std::string_view list, std::size_t hosts) {
  constexpr const char* kVariable = "SLURM_TASKS_PER_NODE";
  std::vector<int> counts;
  for (const auto element : elements_of(list)) {
    const auto times = element.find("(x");
    const auto tasks = number_in(element.substr(0, times));
    std::optional<int> repeated = 1;
    if (times != std::string_view::npos) {
      if (element.back() != ')') wrong_list(kVariable, list);
      repeated = number_in(element.substr(times + 2, element.size() - times - 3));
    }
    if (!tasks || *tasks < 1 || !repeated || counts.size() + *repeated > hosts)
      wrong_list(kVariable, list);
    counts.insert(counts.end(), static_cast<std::size_t>(*repeated), *tasks);
  }
  if (counts.size() != hosts) wrong_list(kVariable, list);
  return counts;
}

std::vector<Host> find_hosts(const std::string& host_file, const Environment& environment) {
  if (!host_file.empty()) return parse_host_file(host_file, read_text(host_file));
  if (const auto list = environment("SLURM_JOB_NODELIST"))
    return hosts_of_slurm(*list, environment);
  if (const auto path = environment("OMPI_MCA_orte_default_hostfile"))
    return parse_host_file(*path, read_text(*path));
  if (std::ifstream(kOfMpiOperator).good())
    return parse_host_file(kOfMpiOperator, read_text(kOfMpiOperator));
  return {};
}

int slots_of(const std::vector<Host>& hosts) {
  int slots = 0;
  for (const auto& host : hosts) slots += host.slots;
  return slots;
}

}  // namespace ripieno::tools
