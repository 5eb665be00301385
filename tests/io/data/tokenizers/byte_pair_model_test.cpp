#include "ripieno/io/data/tokenizers/byte_pair_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

std::vector<std::string> single_bytes() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  return tokens;
}

// Adds the token and the rule that makes it of two others, unless the rule exists.
void add_rule(std::vector<std::string>& tokens, std::vector<MergeRule>& rules, uint32_t left,
              uint32_t right) {
  const auto exists = [&](const MergeRule& rule) {
    return rule.left == left && rule.right == right;
  };
  if (std::any_of(rules.begin(), rules.end(), exists)) return;
  const std::string bytes = tokens[left] + tokens[right];
  auto found = std::find(tokens.begin(), tokens.end(), bytes);
  if (found == tokens.end()) found = tokens.insert(tokens.end(), bytes);
  rules.push_back({left, right, static_cast<uint32_t>(found - tokens.begin()),
                   static_cast<uint32_t>(rules.size())});
}

// Rules over a few letters, so that their results overlap in every way.
struct RandomRules {
  std::vector<std::string> tokens = single_bytes();
  std::vector<MergeRule> rules;

  explicit RandomRules(std::mt19937& random, int letters, int count) {
    std::vector<uint32_t> known;
    for (int i = 0; i < letters; ++i) known.push_back(static_cast<uint32_t>('a' + i));
    for (int i = 0; i < count; ++i) {
      const uint32_t left = known[random() % known.size()], right = known[random() % known.size()];
      if (tokens[left].size() + tokens[right].size() > 12) continue;
      add_rule(tokens, rules, left, right);
      known.push_back(rules.back().result);
    }
  }
};

std::string random_letters(std::mt19937& random, int letters, std::size_t size) {
  std::string text(size, 'a');
  for (char& c : text) c = static_cast<char>('a' + random() % static_cast<unsigned>(letters));
  return text;
}

std::vector<int32_t> encode(const BytePairModel& model, const std::string& text) {
  std::vector<int32_t> tokens;
  model.encode(text.data(), std::vector<std::size_t>{text.size()}, tokens);
  return tokens;
}

std::vector<int32_t> merge(const BytePairModel& model, const std::string& text) {
  std::vector<int32_t> tokens;
  model.encode_by_merging(text, tokens);
  return tokens;
}

TEST(BytePairModel, MergesTheLowestRankFirstAndOfThoseTheLeftmost) {
  auto tokens = single_bytes();
  std::vector<MergeRule> rules;
  add_rule(tokens, rules, 'b', 'c');  // 256
  add_rule(tokens, rules, 'a', 'b');  // 257
  add_rule(tokens, rules, 'a', 'a');  // 258
  const BytePairModel model(tokens, rules, false);
  EXPECT_EQ(encode(model, "abc"), (std::vector<int32_t>{'a', 256}));
  EXPECT_EQ(encode(model, "abab"), (std::vector<int32_t>{257, 257}));
  EXPECT_EQ(encode(model, "aaa"), (std::vector<int32_t>{258, 'a'}));
}

TEST(BytePairModel, FindsTheTokensThatMergingGives) {
  std::mt19937 random(18);
  for (int trial = 0; trial < 400; ++trial) {
    const int letters = 1 + trial % 4;
    const RandomRules random_rules(random, letters, 1 + trial % 60);
    const BytePairModel model(random_rules.tokens, random_rules.rules, false);
    for (const std::size_t size : {1, 2, 3, 7, 15, 16, 31, 64, 300}) {
      const std::string text = random_letters(random, letters, size);
      ASSERT_EQ(encode(model, text), merge(model, text)) << "trial " << trial << ": " << text;
    }
  }
}

TEST(BytePairModel, FindsTheTokensThatMergingGivesForRulesInAnyOrder) {
  std::mt19937 random(19);
  for (int trial = 0; trial < 400; ++trial) {
    const int letters = 1 + trial % 3;
    RandomRules random_rules(random, letters, 1 + trial % 40);
    std::shuffle(random_rules.rules.begin(), random_rules.rules.end(), random);
    // Some ranks are equal, as in a .tiktoken file, where the result decides.
    const bool has_ties = trial % 2 == 0;
    for (uint32_t i = 0; i < random_rules.rules.size(); ++i)
      random_rules.rules[i].rank = has_ties ? random_rules.rules[i].result : i;
    const BytePairModel model(random_rules.tokens, random_rules.rules, false);
    for (const std::size_t size : {2, 5, 17, 33, 100}) {
      const std::string text = random_letters(random, letters, size);
      ASSERT_EQ(encode(model, text), merge(model, text)) << "trial " << trial << ": " << text;
    }
  }
}

TEST(BytePairModel, EncodesSeveralPiecesAtOnce) {
  std::mt19937 random(20);
  const RandomRules random_rules(random, 3, 50);
  const BytePairModel model(random_rules.tokens, random_rules.rules, false);
  const std::string text = random_letters(random, 3, 2000);
  std::vector<std::size_t> lengths;
  std::vector<int32_t> expected, tokens;
  for (std::size_t at = 0; at < text.size(); at += lengths.back()) {
    lengths.push_back(std::min<std::size_t>(1 + random() % 40, text.size() - at));
    model.encode_by_merging(text.substr(at, lengths.back()), expected);
  }
  model.encode(text.data(), lengths, tokens);
  EXPECT_EQ(tokens, expected);
}

TEST(BytePairModel, TakesWholePiecesOnlyIfAskedTo) {
  auto tokens = single_bytes();
  for (const char* token : {"xyz", "a token longer than a short piece"}) tokens.push_back(token);
  const BytePairModel whole(tokens, {}, true), merged(tokens, {}, false);
  EXPECT_EQ(encode(whole, "xyz"), std::vector<int32_t>{256});
  EXPECT_EQ(encode(whole, tokens[257]), std::vector<int32_t>{257});
  EXPECT_EQ(encode(merged, "xyz"), (std::vector<int32_t>{'x', 'y', 'z'}));
  EXPECT_EQ(encode(whole, "xyzx").size(), 4u);
}

TEST(BytePairModel, RequiresATokenForEachByte) {
  auto tokens = single_bytes();
  tokens[0x41].clear();
  EXPECT_THROW(BytePairModel(tokens, {}, false), DataError);
}

}  // namespace
}  // namespace ripieno::io
