#include "ripieno/io/data/tokenizers/byte_pair_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <mutex>
#include <queue>
#include <set>
#include <thread>
#include <unordered_map>

#include "ripieno/core/error.h"
#include "ripieno/io/data/tokenizers/byte_alphabet.h"
#include "ripieno/io/data/tokenizers/pattern.h"
#include "ripieno/io/data/tokenizers/piece_counts.h"

namespace ripieno::io {
namespace {

// Longer pieces (a file without spaces) are counted in parts, so that memory stays bounded.
constexpr std::size_t kLongestPiece = 1 << 12;

// Hands out parts of the texts that end where pieces end.
class Texts {
 public:
  explicit Texts(const std::function<std::optional<std::string>()>& next) : next_(next) {}

  // The next part; nullopt at the end of the texts. Thread-safe.
  std::optional<std::string> next() {
    const std::lock_guard lock(mutex_);
    while (!is_at_end_) {
      auto text = next_();
      if (!text) {
        is_at_end_ = true;
        if (rest_.empty()) return std::nullopt;
        return std::move(rest_);
      }
      // Characters at the end of what was known may have been incomplete.
      const std::size_t least = rest_.size() < 8 ? 0 : rest_.size() - 8;
      rest_ += *text;
      const std::size_t most = rest_.size() < 8 ? 0 : rest_.size() - 8;
      if (const auto cut = last_cut(rest_, least, most)) {
        std::string part = rest_.substr(0, *cut);
        rest_.erase(0, *cut);
        return part;
      }
    }
    return std::nullopt;
  }

 private:
  std::mutex mutex_;
  const std::function<std::optional<std::string>()>& next_;
  std::string rest_;  // what follows the last cut
  bool is_at_end_ = false;
};

void count_pieces(const Pattern& pattern, std::string_view text, PieceCounts& counts) {
  PieceScanner scanner(pattern, text);
  std::array<std::size_t, 256> lengths;
  while (const std::size_t count = scanner.next(lengths)) {
    for (std::size_t i = 0; i < count; ++i) {
      std::string_view piece = text.substr(0, lengths[i]);
      text.remove_prefix(lengths[i]);
      for (; piece.size() > kLongestPiece; piece.remove_prefix(kLongestPiece))
        counts.add(piece.substr(0, kLongestPiece), 1);
      counts.add(piece, 1);
    }
  }
}

PieceCounts count_all(const Pattern& pattern, int threads, Texts& texts) {
  std::vector<PieceCounts> counts(static_cast<std::size_t>(threads));
  std::vector<std::exception_ptr> errors(counts.size());
  const auto work = [&](std::size_t index) {
    try {
      while (const auto text = texts.next()) count_pieces(pattern, *text, counts[index]);
    } catch (...) {
      errors[index] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < counts.size(); ++i) others.emplace_back(work, i);
    work(0);
  }
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  for (std::size_t i = 1; i < counts.size(); ++i) {
    counts[0].add_all(counts[i]);
    counts[i] = PieceCounts();
  }
  return std::move(counts[0]);
}

// Merges the most frequent pairs of a set of counted pieces.
class Merger {
 public:
  explicit Merger(const PieceCounts& pieces) {
    add_bytes();
    pieces.for_each([&](std::string_view piece, int64_t count) { add_word(piece, count); });
    words_.push_back(static_cast<uint64_t>(symbols_.size()));
    for (uint32_t word = 0; word < counts_.size(); ++word) {
      for (uint64_t i = words_[word]; i + 1 < words_[word + 1]; ++i)
        change({symbols_[i], symbols_[i + 1]}, counts_[word], word);
    }
    lengths_.resize(counts_.size());
    for (uint32_t word = 0; word < counts_.size(); ++word)
      lengths_[word] = static_cast<uint32_t>(words_[word + 1] - words_[word]);
    push_changed();
  }

  void merge_until(std::size_t tokens) {
    while (tokens_.size() < tokens && !frequent_.empty()) {
      const Frequent best = frequent_.top();
      frequent_.pop();
      const uint32_t index = index_of_.at(key(best.pair));
      PairState& state = pairs_[index];
      if (state.count != best.count) {
        if (state.count > 0) frequent_.push({state.count, best.pair});
        continue;
      }
      merge(best.pair, index);
    }
  }

  std::vector<std::string> tokens() && { return std::move(tokens_); }
  std::vector<MergeRule> rules() && { return std::move(rules_); }

 private:
  struct Pair {
    uint32_t left, right;
  };
  struct PairState {
    Pair pair;
    int64_t count = 0;
    std::vector<uint32_t> words;  // that have it, or had it
    bool is_changed = false;
  };
  // A pair with its count when it was pushed; the true one may be lower by now.
  struct Frequent {
    int64_t count;
    Pair pair;
    bool operator<(const Frequent& other) const {
      if (count != other.count) return count < other.count;
      return key(pair) > key(other.pair);
    }
  };
  static uint64_t key(Pair pair) { return uint64_t{pair.left} << 32 | pair.right; }

  void add_bytes() {
    std::array<uint32_t, 256> order;
    for (uint32_t byte = 0; byte < 256; ++byte) order[byte] = byte;
    std::sort(order.begin(), order.end(), [](uint32_t left, uint32_t right) {
      return byte_characters()[left] < byte_characters()[right];
    });
    for (const uint32_t byte : order) {
      byte_tokens_[byte] = static_cast<uint32_t>(tokens_.size());
      ids_.emplace(std::string(1, static_cast<char>(byte)), byte_tokens_[byte]);
      tokens_.emplace_back(1, static_cast<char>(byte));
    }
  }

  void add_word(std::string_view piece, int64_t count) {
    if (piece.size() < 2) return;
    words_.push_back(symbols_.size());
    counts_.push_back(count);
    for (const char byte : piece) symbols_.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
  }

  void change(Pair pair, int64_t by, uint32_t word) {
    const auto [found, is_new] =
        index_of_.try_emplace(key(pair), static_cast<uint32_t>(pairs_.size()));
    if (is_new) pairs_.emplace_back().pair = pair;
    PairState& state = pairs_[found->second];
    state.count += by;
    if (by < 0) return;
    if (state.words.empty() || state.words.back() != word) state.words.push_back(word);
    if (!state.is_changed) changed_.push_back(found->second);
    state.is_changed = true;
  }

  void push_changed() {
    for (const uint32_t index : changed_) {
      PairState& state = pairs_[index];
      state.is_changed = false;
      if (state.count > 0) frequent_.push({state.count, state.pair});
    }
    changed_.clear();
  }

  void merge(Pair pair, uint32_t index) {
    const std::string bytes = tokens_[pair.left] + tokens_[pair.right];
    const auto [found, is_new] = ids_.try_emplace(bytes, static_cast<uint32_t>(tokens_.size()));
    if (is_new) tokens_.push_back(bytes);
    const uint32_t result = found->second;
    rules_.push_back({pair.left, pair.right, result, static_cast<uint32_t>(rules_.size())});
    const std::vector<uint32_t> words = std::move(pairs_[index].words);
    for (const uint32_t word : words) merge_in(word, pair, result);
    pairs_[index].count = 0;
    pairs_[index].words = {};
    push_changed();
  }

  void merge_in(uint32_t word, Pair pair, uint32_t result) {
    uint32_t* symbols = symbols_.data() + words_[word];
    const uint32_t length = lengths_[word];
    const int64_t count = counts_[word];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < length; ++i) {
      if (symbols[i] != pair.left || i + 1 == length || symbols[i + 1] != pair.right) {
        symbols[kept++] = symbols[i];
        continue;
      }
      if (kept > 0) {
        change({symbols[kept - 1], pair.left}, -count, word);
        change({symbols[kept - 1], result}, count, word);
      }
      symbols[kept++] = result;
      ++i;
      if (i + 1 < length) {
        change({pair.right, symbols[i + 1]}, -count, word);
        change({result, symbols[i + 1]}, count, word);
      }
    }
    lengths_[word] = kept;
  }

  std::array<uint32_t, 256> byte_tokens_;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::vector<MergeRule> rules_;

  std::vector<uint32_t> symbols_;  // of all words, one after the other; a merge shortens its word
  std::vector<uint64_t> words_;    // where each begins; at the end, the number of symbols
  std::vector<uint32_t> lengths_;  // of each word
  std::vector<int64_t> counts_;    // of each word

  std::unordered_map<uint64_t, uint32_t> index_of_;  // in pairs_, by key
  std::vector<PairState> pairs_;
  std::vector<uint32_t> changed_;  // pairs that must be pushed
  std::priority_queue<Frequent> frequent_;
};

void check(const TokenizerTraining& options) {
  const int64_t least = 256 + static_cast<int64_t>(options.special_tokens.size());
  if (options.vocabulary_size < least || options.vocabulary_size > kMostTokens)
    throw ConfigurationError(
        fmt::format("tokenizer: vocabulary_size must be between {} (the bytes and the special "
                    "tokens) and {}, got {}",
                    least, kMostTokens, options.vocabulary_size));
  if (options.threads < 1)
    throw ConfigurationError(
        fmt::format("tokenizer: threads must be at least 1, got {}", options.threads));
}

const Pattern& pattern_of(const TokenizerTraining& options) {
  try {
    return pattern_named(options.pattern);
  } catch (const DataError& error) {
    throw ConfigurationError(error.what());
  }
}

}  // namespace

TokenizerDefinition train_byte_pairs(const TokenizerTraining& options,
                                     const std::function<std::optional<std::string>()>& next_text) {
  check(options);
  TokenizerDefinition definition;
  definition.pattern = &pattern_of(options);
  Texts texts(next_text);
  auto merger = [&] { return Merger(count_all(*definition.pattern, options.threads, texts)); }();
  merger.merge_until(static_cast<std::size_t>(options.vocabulary_size) -
                     options.special_tokens.size());
  definition.rules = std::move(merger).rules();
  definition.tokens = std::move(merger).tokens();
  auto id = static_cast<int32_t>(definition.tokens.size());
  for (const std::string& text : options.special_tokens) definition.added.push_back({id++, text});
  return definition;
}

}  // namespace ripieno::io
