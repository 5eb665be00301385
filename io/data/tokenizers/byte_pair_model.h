// BytePairModel: the tokens and merges of a byte-level BPE tokenizer, which turns a piece of text
// into tokens. Not installed.
//
// The tokens of a piece are those of the definition: start from its bytes; of all neighbors that a
// rule merges, merge those of the lowest rank, the leftmost first; repeat. A token sequence is the
// result exactly if each of its neighbors is the result for the bytes of the two alone. So the
// encoder does not merge: it looks for the longest token, checks it against the one before it, and
// takes a shorter one or goes a token back where they do not fit together. Each position is left at
// most once, so the time is linear in the size of the piece.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/tokenizers/byte_trie.h"
#include "ripieno/io/data/tokenizers/pair_table.h"
#include "ripieno/io/data/tokenizers/short_pieces.h"

namespace ripieno::io {

// Two neighbors that become one token; the lowest rank first.
struct MergeRule {
  uint32_t left, right, result;
  uint32_t rank;
};

// Immutable and thread-safe.
class BytePairModel {
 public:
  // `tokens`: the bytes of each id; empty for an id that no text has. All 256 single bytes must be
  // among them, and each rule's result must be the concatenation of its neighbors. `whole_pieces`:
  // a piece that is a token becomes that token, even where merging gives others.
  // Throws DataError if a byte has no token.
  BytePairModel(const std::vector<std::string>& tokens, const std::vector<MergeRule>& rules,
                bool whole_pieces);

  // Appends the tokens of the pieces that begin at `text`, each of which has at least one byte.
  void encode(const char* text, std::span<const std::size_t> lengths,
              std::vector<int32_t>& out) const;
  // The tokens of one piece by merging, as defined: the reference for tests.
  void encode_by_merging(std::string_view piece, std::vector<int32_t>& out) const;

 private:
  // How the bytes of a token become that token.
  struct Origin {
    uint32_t left = 0, right = 0;  // its last merge; the token itself for a single byte
    uint32_t rank = 0;             // 0 for a single byte, else that of the last merge + 1
  };
  struct Extent {
    uint32_t bytes = 0;                  // 0: merging its bytes gives others, so no text has it
    uint32_t shorter = ByteTrie::kNone;  // the longest token that it begins with
    bool is_ordered = true;              // its merges have rising ranks
  };
  // The symbols of a piece while it is merged: a linked list.
  struct Symbol;

  void add_single_bytes(const std::vector<std::string>& tokens);
  void find_origins(const std::vector<std::string>& tokens);
  void find_extents(const std::vector<std::string>& tokens);
  void merge(std::string_view piece, std::vector<Symbol>& symbols) const;
  bool fit_together(uint32_t left, uint32_t right) const;
  bool fit_when_merged(uint32_t left, uint32_t right) const;
  void append_bytes(uint32_t token, std::string& out) const;
  void encode_long(std::string_view piece, std::vector<int32_t>& out) const;
  void encode_by_search(std::string_view piece, ByteTrie::Match first,
                        std::vector<int32_t>& out) const;

  std::vector<uint32_t> byte_tokens_;  // (256)
  PairTable rules_;
  std::vector<Origin> origins_;  // by token
  std::vector<Extent> extents_;  // by token
  ByteTrie trie_;                // tokens that a text can have
  ByteTrie whole_;               // with whole_pieces: the others
  ShortPieces short_;            // the short ones of both
};

}  // namespace ripieno::io
