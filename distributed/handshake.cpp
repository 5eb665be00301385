#include "ripieno/distributed/handshake.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/core/host_name.h"
#include "ripieno/core/optim/optimizer.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/kernels/fnv1a.h"

namespace ripieno::distributed {
namespace {

constexpr char kEndOfName = '\x1f', kEndOfFact = '\x1e';
constexpr std::size_t kLongestShown = 60;  // characters of a value in a message

// The host, then the facts.
std::string to_text(const std::vector<Fact>& facts) {
  std::string text = host_name() + kEndOfFact;
  for (const auto& fact : facts) text += fact.name + kEndOfName + fact.value + kEndOfFact;
  return text;
}

// A hash of the facts without the host; it need not be cryptographic.
int64_t hash_of(std::string_view text) {
  return static_cast<int64_t>(kernels::fnv1a(text.substr(text.find(kEndOfFact))));
}

struct RankFacts {
  std::string host;
  std::vector<Fact> facts;

  explicit RankFacts(std::string_view text) : host(text.substr(0, text.find(kEndOfFact))) {
    for (auto end = text.find(kEndOfFact); end + 1 < text.size();) {
      const auto begin = end + 1, middle = text.find(kEndOfName, begin);
      end = text.find(kEndOfFact, middle);
      facts.push_back({std::string(text.substr(begin, middle - begin)),
                       std::string(text.substr(middle + 1, end - middle - 1))});
    }
  }

  std::optional<std::string> value_of(const std::string& name) const {
    for (const auto& fact : facts) {
      if (fact.name == name) return fact.value;
    }
    return std::nullopt;
  }
};

// The first rank of the largest group with equal hashes; of groups of equal size, of the first.
std::size_t first_of_majority(const std::vector<int64_t>& hashes) {
  std::map<int64_t, std::size_t> count;
  std::size_t best = 0;
  for (const auto hash : hashes) ++count[hash];
  for (std::size_t rank = 0; rank < hashes.size(); ++rank) {
    if (count[hashes[rank]] > count[hashes[best]]) best = rank;
  }
  return best;
}

std::string shown(const std::optional<std::string>& value) {
  if (!value) return "missing";
  if (value->empty()) return "empty";
  return value->size() <= kLongestShown ? *value : value->substr(0, kLongestShown) + "…";
}

// The name of the first fact that differs.
std::string first_difference(const RankFacts& one, const RankFacts& other) {
  for (const auto& fact : one.facts) {
    if (other.value_of(fact.name) != fact.value) return fact.name;
  }
  for (const auto& fact : other.facts) {
    if (!one.value_of(fact.name)) return fact.name;
  }
  return "";  // the same facts in a different order
}

std::string to_string(std::size_t rank, const RankFacts& facts) {
  return fmt::format("rank {} on {}", rank, facts.host);
}

std::string describe(const std::vector<RankFacts>& ranks, std::size_t differing,
                     std::size_t majority) {
  const auto name = first_difference(ranks[majority], ranks[differing]);
  if (name.empty()) {
    return fmt::format("{} has the same facts as {} in a different order",
                       to_string(differing, ranks[differing]),
                       to_string(majority, ranks[majority]));
  }
  return fmt::format("{}: {} is {}, {} has {}", to_string(differing, ranks[differing]), name,
                     shown(ranks[differing].value_of(name)), to_string(majority, ranks[majority]),
                     shown(ranks[majority].value_of(name)));
}

}  // namespace

std::string disagreement(Communicator& communicator, const std::vector<Fact>& facts) {
  const std::string text = to_text(facts);
  const auto hashes = gather(communicator, hash_of(text));
  const auto agrees = [&](int64_t hash) { return hash == hashes.front(); };
  if (std::all_of(hashes.begin(), hashes.end(), agrees)) return "";

  std::vector<RankFacts> ranks;
  for (const auto& theirs : gather(communicator, text)) ranks.emplace_back(theirs);
  const std::size_t majority = first_of_majority(hashes);
  std::vector<std::string> differing;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    if (hashes[rank] != hashes[majority]) differing.push_back(describe(ranks, rank, majority));
  }
  constexpr std::size_t kNamed = 3;
  const std::size_t more = differing.size() - std::min(differing.size(), kNamed);
  differing.resize(differing.size() - more);
  return fmt::format("{}{}", fmt::join(differing, "; "),
                     more > 0 ? fmt::format("; and {} more", more) : "");
}

std::vector<Fact> facts_of(const Parameters& parameters) {
  std::vector<Fact> facts;
  const auto& entries = parameters.layout().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const bool is_trainable = parameters.tensors()[i].requires_gradient();
    facts.push_back(
        {"parameter " + entries[i].name,
         fmt::format("{} {}{}", name_of(parameters.values().dtype()),
                     ripieno::to_string(entries[i].shape), is_trainable ? "" : ", frozen")});
  }
  return facts;
}

std::vector<Fact> facts_of(const optim::Optimizer& optimizer) {
  std::vector<Fact> facts;
  for (auto& [name, value] : optimizer.options()) facts.push_back({"optimizer." + name, value});
  return facts;
}

void require_agreement(Communicator& communicator, const std::vector<Fact>& facts) {
  if (communicator.size() == 1) return;
  const auto found = disagreement(communicator, facts);
  if (!found.empty()) throw ConfigurationError("the ranks disagree: " + found);
}

}  // namespace ripieno::distributed
