#include "ripieno/io/data/readers/json_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "ripieno/core/error.h"
#include "ripieno/io/files/utf8.h"

namespace ripieno::io {
namespace {

// A parser of one line. Every function leaves `at_` after what it read.
class JsonLine {
 public:
  explicit JsonLine(std::string_view line) : line_(line) {}

  void read(std::span<const std::string> names, std::span<std::string> texts) {
    std::vector<bool> is_found(names.size());
    object([&](const std::string& name) {
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end()) return value(1);
      const auto index = static_cast<std::size_t>(found - names.begin());
      text_of(name, texts[index]);
      is_found[index] = true;
    });
    for (std::size_t i = 0; i < names.size(); ++i)
      if (!is_found[i]) missing(names[i]);
  }

  std::vector<JsonMessage> read_messages(std::string_view field) {
    std::vector<JsonMessage> messages;
    bool is_found = false;
    object([&](const std::string& name) {
      if (name != field) return value(1);
      messages.clear();
      if (peek() != '[') bad(fmt::format("the field \"{}\" must be a list of messages", field));
      elements([&] { messages.push_back(message()); });
      is_found = true;
    });
    if (!is_found) missing(field);
    if (messages.empty()) throw DataError(fmt::format("has no message in \"{}\"", field));
    return messages;
  }

 private:
  [[noreturn]] static void missing(std::string_view field) {
    throw DataError(fmt::format("has no field \"{}\"", field));
  }
  [[noreturn]] void bad(const std::string& what) const {
    throw DataError(fmt::format("is not valid JSON at byte {}: {}", at_, what));
  }

  char peek() const { return at_ < line_.size() ? line_[at_] : '\0'; }
  void skip_white() {
    while (at_ < line_.size() &&
           (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r' || line_[at_] == '\n'))
      ++at_;
  }
  void expect(char wanted) {
    if (at_ >= line_.size() || line_[at_] != wanted) bad(fmt::format("expected '{}'", wanted));
    ++at_;
  }

  // The only value of the line.
  template <typename Visit>
  void object(const Visit& visit) {
    skip_white();
    members(visit);
    skip_white();
    if (at_ != line_.size()) bad("there is text after the object");
  }

  void text_of(const std::string& field, std::string& text) {
    if (peek() != '"') bad(fmt::format("the field \"{}\" must be a string", field));
    string(text);
  }

  JsonMessage message() {
    JsonMessage message;
    bool has_role = false, has_content = false;
    members([&](const std::string& name) {
      if (name == "role") {
        has_role = true;
        return text_of("role", message.role);
      }
      if (name == "content") {
        has_content = true;
        return text_of("content", message.content);
      }
      value(3);
    });
    if (!has_role || !has_content) missing(has_role ? "content" : "role");
    return message;
  }

  // {"name": member, …}; visit(name) reads the member's value.
  template <typename Visit>
  void members(const Visit& visit) {
    expect('{');
    skip_white();
    if (peek() == '}') return expect('}');
    while (true) {
      skip_white();
      string(name_);
      skip_white();
      expect(':');
      skip_white();
      visit(name_);
      skip_white();
      if (peek() == '}') return expect('}');
      expect(',');
    }
  }

  template <typename Visit>
  void elements(const Visit& visit) {
    expect('[');
    skip_white();
    if (peek() == ']') return expect(']');
    while (true) {
      skip_white();
      visit();
      skip_white();
      if (peek() == ']') return expect(']');
      expect(',');
    }
  }

  void value(int depth) {
    if (depth > kMostJsonDepth) bad(fmt::format("more than {} levels", kMostJsonDepth));
    switch (peek()) {
      case '"':
        return string(skipped_);
      case '{':
        return members([&](const std::string&) { value(depth + 1); });
      case '[':
        return elements([&] { value(depth + 1); });
      case 't':
        return word("true");
      case 'f':
        return word("false");
      case 'n':
        return word("null");
      default:
        return number();
    }
  }

  void word(std::string_view wanted) {
    if (!line_.substr(at_).starts_with(wanted)) bad("expected a value");
    at_ += wanted.size();
  }

  void digits() {
    const std::size_t begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    if (at_ == begin) bad("expected a value");
  }
  void number() {
    if (peek() == '-') ++at_;
    if (peek() == '0')
      ++at_;
    else
      digits();
    if (peek() == '.') {
      ++at_;
      digits();
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
  }

  void string(std::string& text) {
    text.clear();
    expect('"');
    while (true) {
      const std::size_t begin = at_;
      while (at_ < line_.size() && is_plain(line_[at_])) ++at_;
      text.append(line_, begin, at_ - begin);
      if (at_ == line_.size()) bad("the string does not end");
      if (line_[at_] == '"') return expect('"');
      if (line_[at_] == '\\')
        escape(text);
      else if (static_cast<unsigned char>(line_[at_]) < 0x20)
        bad("a control character in a string");
      else
        wide_character(text);
    }
  }

  // ASCII that stands for itself in a string.
  static bool is_plain(char byte) {
    static constexpr auto kPlain = [] {
      std::array<bool, 256> plain{};
      for (std::size_t i = 0x20; i < 0x80; ++i) plain[i] = i != '"' && i != '\\';
      return plain;
    }();
    return kPlain[static_cast<unsigned char>(byte)];
  }

  void wide_character(std::string& text) {
    const std::size_t begin = at_;
    try {
      next_character(line_, at_);
    } catch (const DataError&) {
      bad("invalid UTF-8");
    }
    text.append(line_, begin, at_ - begin);
  }

  void escape(std::string& text) {
    static constexpr std::string_view kNames = "\"\\/bfnrt", kBytes = "\"\\/\b\f\n\r\t";
    ++at_;
    const char name = peek();
    if (name == 'u') return append_character(text, escaped_character());
    const auto which = kNames.find(name);
    if (at_ == line_.size() || which == kNames.npos) bad("an unknown escape sequence");
    text += kBytes[which];
    ++at_;
  }

  char32_t escaped_character() {
    const char32_t first = hexadecimal_digits();
    if (first >= 0xdc00 && first <= 0xdfff) bad("half of a surrogate pair");
    if (first < 0xd800 || first > 0xdbff) return first;
    if (peek() != '\\') bad("half of a surrogate pair");
    ++at_;
    if (peek() != 'u') bad("half of a surrogate pair");
    const char32_t second = hexadecimal_digits();
    if (second < 0xdc00 || second > 0xdfff) bad("half of a surrogate pair");
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
  }

  // "u12ab"
  char32_t hexadecimal_digits() {
    char32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      ++at_;
      const char digit = peek();
      value <<= 4;
      if (digit >= '0' && digit <= '9')
        value += static_cast<char32_t>(digit - '0');
      else if (digit >= 'a' && digit <= 'f')
        value += static_cast<char32_t>(digit - 'a' + 10);
      else if (digit >= 'A' && digit <= 'F')
        value += static_cast<char32_t>(digit - 'A' + 10);
      else
        bad("\\u must be followed by four hexadecimal digits");
    }
    ++at_;
    return value;
  }

  std::string_view line_;
  std::size_t at_ = 0;
  std::string name_;
  std::string skipped_;
};

}  // namespace

void read_json_fields(std::string_view line, std::span<const std::string> names,
                      std::span<std::string> texts) {
  JsonLine(line).read(names, texts);
}

void read_json_field(std::string_view line, const std::string& name, std::string& text) {
  read_json_fields(line, {&name, 1}, {&text, 1});
}

std::vector<JsonMessage> read_json_messages(std::string_view line, std::string_view name) {
  return JsonLine(line).read_messages(name);
}

}  // namespace ripieno::io
