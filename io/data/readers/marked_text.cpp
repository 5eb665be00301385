#include "ripieno/io/data/readers/marked_text.h"

#include <algorithm>

namespace ripieno::io {

void MarkedText::add(std::string_view text, bool is_counted) {
  if (text.empty()) return;
  text_ += text;
  if (!parts_.empty() && parts_.back().is_counted == is_counted)
    parts_.back().end = text_.size();
  else
    parts_.push_back({text_.size(), is_counted});
}

void MarkedText::add(const MarkedText& text) {
  std::size_t begin = 0;
  for (const Part& part : text.parts_) {
    add(std::string_view(text.text_).substr(begin, part.end - begin), part.is_counted);
    begin = part.end;
  }
}

void MarkedText::clear() {
  text_.clear();
  parts_.clear();
}

bool MarkedText::has_marks() const {
  return std::any_of(parts_.begin(), parts_.end(),
                     [](const Part& part) { return !part.is_counted; });
}

std::vector<int32_t> MarkedText::encode(const Tokenizer& tokenizer, SpecialTokens special) const {
  std::vector<int32_t> all;
  std::size_t begin = 0;
  for (const Part& part : parts_) {
    auto tokens =
        tokenizer.encode(std::string_view(text_).substr(begin, part.end - begin), special);
    begin = part.end;
    if (!part.is_counted) std::transform(tokens.begin(), tokens.end(), tokens.begin(), uncounted);
    if (all.empty())
      all = std::move(tokens);
    else
      all.insert(all.end(), tokens.begin(), tokens.end());
  }
  return all;
}

}  // namespace ripieno::io
