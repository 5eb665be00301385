#include "ripieno/io/data/tokenizers/byte_pair_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <queue>
#include <tuple>

#include "ripieno/core/error.h"

namespace ripieno::io {
namespace {

constexpr uint32_t kNone = ByteTrie::kNone;

}  // namespace

struct BytePairModel::Symbol {
  uint32_t token;
  uint32_t previous, next;                 // kNone at the ends
  uint32_t left = 0, right = 0, rank = 0;  // of the merge that made it
  bool is_gone = false;
};

BytePairModel::BytePairModel(const std::vector<std::string>& tokens,
                             const std::vector<MergeRule>& rules, bool whole_pieces)
    : byte_tokens_(256, kNone),
      rules_(rules.size()),
      origins_(tokens.size()),
      extents_(tokens.size()),
      short_(static_cast<std::size_t>(std::count_if(
          tokens.begin(), tokens.end(), [](const std::string& token) { return !token.empty(); }))) {
  add_single_bytes(tokens);
  for (const MergeRule& rule : rules)
    rules_.insert(rule.left, rule.right, {rule.rank, rule.result});
  find_origins(tokens);

  std::vector<ByteTrie::Entry> reached, others;
  for (uint32_t token = 0; token < tokens.size(); ++token) {
    const std::string& bytes = tokens[token];
    if (bytes.empty()) continue;
    const bool is_reached = extents_[token].bytes != 0;
    (is_reached ? reached : others).push_back({bytes, token});
    if ((is_reached || whole_pieces) && bytes.size() <= ShortPieces::kMostBytes)
      short_.insert(bytes, token);
  }
  trie_ = ByteTrie(std::move(reached));
  if (whole_pieces) whole_ = ByteTrie(std::move(others));
  find_extents(tokens);
}

void BytePairModel::add_single_bytes(const std::vector<std::string>& tokens) {
  for (uint32_t token = 0; token < tokens.size(); ++token) {
    if (tokens[token].size() == 1) byte_tokens_[static_cast<uint8_t>(tokens[token][0])] = token;
  }
  const auto missing = std::find(byte_tokens_.begin(), byte_tokens_.end(), kNone);
  if (missing == byte_tokens_.end()) return;
  throw DataError(
      fmt::format("tokenizer: no token for byte {:#04x}; a byte-level vocabulary must have a token "
                  "for each of the 256 bytes",
                  missing - byte_tokens_.begin()));
}

void BytePairModel::find_origins(const std::vector<std::string>& tokens) {
  std::vector<Symbol> symbols;
  for (uint32_t token = 0; token < tokens.size(); ++token) {
    if (tokens[token].empty()) continue;
    merge(tokens[token], symbols);
    const Symbol& first = symbols.front();
    if (first.next != kNone || first.token != token) continue;
    extents_[token].bytes = static_cast<uint32_t>(tokens[token].size());
    origins_[token] = tokens[token].size() == 1 ? Origin{token, token, 0}
                                                : Origin{first.left, first.right, first.rank + 1};
  }
}

void BytePairModel::find_extents(const std::vector<std::string>& tokens) {
  std::vector<uint32_t> by_size;
  for (uint32_t token = 0; token < tokens.size(); ++token) {
    if (extents_[token].bytes > 1) by_size.push_back(token);
  }
  std::sort(by_size.begin(), by_size.end(), [&](uint32_t left, uint32_t right) {
    return extents_[left].bytes < extents_[right].bytes;
  });
  for (const uint32_t token : by_size) {  // the parts of a token before the token
    const std::string& bytes = tokens[token];
    extents_[token].shorter = trie_.longest(bytes.data(), bytes.data() + bytes.size() - 1).value;
    const Origin& origin = origins_[token];
    const auto is_before = [&](uint32_t part) {
      return extents_[part].is_ordered && origins_[part].rank < origin.rank;
    };
    extents_[token].is_ordered = is_before(origin.left) && is_before(origin.right);
  }
}

void BytePairModel::merge(std::string_view piece, std::vector<Symbol>& symbols) const {
  struct Candidate {
    uint32_t rank, at, left, right, result;
    bool operator>(const Candidate& other) const {
      return std::tie(rank, at) > std::tie(other.rank, other.at);
    }
  };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto consider = [&](uint32_t at) {
    if (at == kNone || symbols[at].next == kNone) return;
    const uint32_t left = symbols[at].token, right = symbols[symbols[at].next].token;
    const PairTable::Rule rule = rules_.find(left, right);
    if (rule.rank != PairTable::kNone) candidates.push({rule.rank, at, left, right, rule.result});
  };
  symbols.clear();
  const auto size = static_cast<uint32_t>(piece.size());
  for (uint32_t i = 0; i < size; ++i)
    symbols.push_back({byte_tokens_[static_cast<uint8_t>(piece[i])], i == 0 ? kNone : i - 1,
                       i + 1 == size ? kNone : i + 1});
  for (uint32_t i = 0; i < size; ++i) consider(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Symbol& left = symbols[best.at];
    if (left.is_gone || left.token != best.left || left.next == kNone ||
        symbols[left.next].token != best.right)
      continue;
    Symbol& right = symbols[left.next];
    right.is_gone = true;
    left = {best.result, left.previous, right.next, best.left, best.right, best.rank};
    if (left.next != kNone) symbols[left.next].previous = best.at;
    consider(left.previous);
    consider(best.at);
  }
}

void BytePairModel::encode_by_merging(std::string_view piece, std::vector<int32_t>& out) const {
  std::vector<Symbol> symbols;
  merge(piece, symbols);
  for (uint32_t at = 0; at != kNone; at = symbols[at].next)
    out.push_back(static_cast<int32_t>(symbols[at].token));
}

// Whether the bytes of both, merged together, become these two tokens: no merge crosses from one to
// the other before both are complete. Goes back in time: `left` and `right` are the symbols at the
// boundary, and `limit` is the rank at which the later one of them is merged into its successor.
bool BytePairModel::fit_together(uint32_t left, uint32_t right) const {
  if (!extents_[left].is_ordered || !extents_[right].is_ordered)
    return fit_when_merged(left, right);
  uint32_t limit = kNone;  // a crossing merge happens first if its rank is below
  while (true) {
    const PairTable::Rule rule = rules_.find(left, right);
    if (rule.rank < limit) return false;
    const Origin& left_origin = origins_[left];
    const Origin& right_origin = origins_[right];
    // Of equal ranks, the leftmost is merged first.
    if (left_origin.rank > right_origin.rank) {
      limit = left_origin.rank - 1;
      left = left_origin.right;
    } else {
      if (right_origin.rank == 0) return true;  // both are single bytes
      limit = right_origin.rank;
      right = right_origin.left;
    }
  }
}

bool BytePairModel::fit_when_merged(uint32_t left, uint32_t right) const {
  std::string bytes;
  append_bytes(left, bytes);
  append_bytes(right, bytes);
  std::vector<Symbol> symbols;
  merge(bytes, symbols);
  return symbols.front().token == left && symbols[symbols.front().next].token == right;
}

void BytePairModel::append_bytes(uint32_t token, std::string& out) const {
  std::vector<uint32_t> left_to_do{token};
  while (!left_to_do.empty()) {
    const uint32_t next = left_to_do.back();
    left_to_do.pop_back();
    if (extents_[next].bytes == 1) {
      const auto byte = std::find(byte_tokens_.begin(), byte_tokens_.end(), next);
      out.push_back(static_cast<char>(byte - byte_tokens_.begin()));
    } else {
      left_to_do.push_back(origins_[next].right);
      left_to_do.push_back(origins_[next].left);
    }
  }
}

void BytePairModel::encode(const char* text, std::span<const std::size_t> lengths,
                           std::vector<int32_t>& out) const {
  constexpr std::size_t kAhead = 16;  // lookups under way
  std::array<ShortPieces::Probe, kAhead> probes;
  const char* ahead = text;
  const std::size_t count = lengths.size();
  for (std::size_t i = 0; i < count + kAhead; ++i) {
    if (i >= kAhead) {
      const std::string_view piece(text, lengths[i - kAhead]);
      const uint32_t token = piece.size() > ShortPieces::kMostBytes
                                 ? ShortPieces::kNone
                                 : short_.find(probes[i % kAhead]);
      if (token != ShortPieces::kNone)
        out.push_back(static_cast<int32_t>(token));
      else
        encode_long(piece, out);
      text += piece.size();
    }
    if (i < count) {
      if (lengths[i] <= ShortPieces::kMostBytes)
        probes[i % kAhead] = short_.probe({ahead, lengths[i]});
      ahead += lengths[i];
    }
  }
}

void BytePairModel::encode_long(std::string_view piece, std::vector<int32_t>& out) const {
  const char* end = piece.data() + piece.size();
  const ByteTrie::Match first = trie_.longest(piece.data(), end);
  if (first.bytes == piece.size()) {
    out.push_back(static_cast<int32_t>(first.value));
    return;
  }
  if (piece.size() > ShortPieces::kMostBytes) {
    if (const auto whole = whole_.longest(piece.data(), end); whole.bytes == piece.size()) {
      out.push_back(static_cast<int32_t>(whole.value));
      return;
    }
  }
  encode_by_search(piece, first, out);
}

void BytePairModel::encode_by_search(std::string_view piece, ByteTrie::Match first,
                                     std::vector<int32_t>& out) const {
  constexpr std::size_t kWordBits = 64;
  constexpr std::size_t kFewWords = 4;
  // A bit for each position that leads to no result.
  uint64_t few[kFewWords] = {};
  std::vector<uint64_t> many;
  if (piece.size() / kWordBits >= kFewWords) many.resize(piece.size() / kWordBits + 1);
  uint64_t* dead = many.empty() ? few : many.data();
  const auto is_dead = [&](std::size_t at) { return dead[at / kWordBits] >> at % kWordBits & 1; };
  const std::size_t begin = out.size();
  const char* end = piece.data() + piece.size();
  std::size_t at = 0;
  uint32_t token = first.value;
  while (true) {
    const std::size_t next = token == kNone ? 0 : at + extents_[token].bytes;
    if (token == kNone) {  // no token fits here
      dead[at / kWordBits] |= uint64_t{1} << at % kWordBits;
      const auto last = static_cast<uint32_t>(out.back());
      out.pop_back();
      at -= extents_[last].bytes;
      token = extents_[last].shorter;
    } else if (!is_dead(next) &&
               (out.size() == begin || fit_together(static_cast<uint32_t>(out.back()), token))) {
      out.push_back(static_cast<int32_t>(token));
      if (next == piece.size()) return;
      at = next;
      token = trie_.longest(piece.data() + at, end).value;
    } else {
      token = extents_[token].shorter;
    }
  }
}

}  // namespace ripieno::io
