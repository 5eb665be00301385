// MarkedText: a text, and which parts of it the loss counts: the completion of a prompt, but not
// the prompt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/io/data/tokenizer.h"

namespace ripieno::io {

// A token that the loss does not count is stored as ~token, which is negative.
constexpr int32_t uncounted(int32_t token) { return ~token; }
constexpr bool is_counted(int32_t marked) { return marked >= 0; }
constexpr int32_t token_of(int32_t marked) { return marked < 0 ? ~marked : marked; }

class MarkedText {
 public:
  // Appends to the text. Adjacent parts of the same kind become one.
  void add(std::string_view text, bool is_counted);
  void add(const MarkedText& text);
  void clear();

  const std::string& text() const { return text_; }
  // Whether there is a part that the loss does not count.
  bool has_marks() const;
  // The tokens of each part, which are those of that part alone; marked as above.
  std::vector<int32_t> encode(const Tokenizer& tokenizer,
                              SpecialTokens special = SpecialTokens::recognized) const;

 private:
  struct Part {
    std::size_t end;
    bool is_counted;
  };
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace ripieno::io
