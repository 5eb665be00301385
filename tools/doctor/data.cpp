#include "ripieno/tools/doctor/data.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string_view>

#include "ripieno/core/error.h"
#include "ripieno/io/data/data_format.h"
#include "ripieno/io/data/image_data.h"
#include "ripieno/io/data/text_check.h"
#include "ripieno/io/data/token_data.h"
#include "ripieno/io/data/token_loader.h"
#include "ripieno/io/run/progress.h"
#include "ripieno/tools/doctor/codes.h"
#include "ripieno/tools/doctor/within.h"
#include "ripieno/tools/table.h"
#include "ripieno/training/models/image_model_settings.h"

namespace ripieno::tools::doctor {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kSubject = "data";
constexpr int64_t kTokensAtOnce = 1 << 15;
constexpr uintmax_t kLargestText = 256 << 20;  // that is tokenized as a whole

std::string first_bytes(const std::string& path, std::size_t bytes) {
  std::ifstream file(path, std::ios::binary);
  std::string text(bytes, '\0');
  file.read(text.data(), static_cast<std::streamsize>(bytes));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

// Copies chunks of tokens, which verifies their blocks, in an order that covers the file evenly.
double verify_tokens(const io::TokenData& data, Clock::time_point deadline) {
  const int64_t chunks = (data.size() + kTokensAtOnce - 1) / kTokensAtOnce;
  int64_t step = std::max<int64_t>(1, std::llround(0.618 * static_cast<double>(chunks)));
  while (std::gcd(step, chunks) != 1) ++step;
  std::vector<int32_t> tokens;
  int64_t done = 0;
  for (; done < chunks && (done == 0 || Clock::now() < deadline); ++done) {
    const int64_t begin = done * step % chunks * kTokensAtOnce;
    tokens.resize(static_cast<std::size_t>(std::min(kTokensAtOnce, data.size() - begin)));
    data.copy(begin, tokens);
    const auto largest = std::max_element(tokens.begin(), tokens.end());
    if (*largest >= data.tokenizer().vocabulary_size()) {
      throw DataError(fmt::format("{}: token {} is outside its vocabulary of {}", data.name(),
                                  *largest, data.tokenizer().vocabulary_size()));
    }
  }
  return chunks == 0 ? 1 : static_cast<double>(done) / static_cast<double>(chunks);
}

void take_tokens(DataFacts& facts, const io::TokenData& data) {
  facts.samples = data.size();
  facts.vocabulary = data.tokenizer().vocabulary_size();
  facts.fingerprint = data.fingerprint();
}

// A text that is too large to be read as a whole: whether its beginning is text.
bool read_large_text(DataFacts& facts, io::DataFormat format, const std::string& beginning) {
  const bool is_parquet = format == io::DataFormat::parquet;
  if (format != io::DataFormat::text && format != io::DataFormat::jsonl && !is_parquet)
    return false;
  const auto bytes = fs::file_size(facts.path);
  if (bytes <= kLargestText) return false;
  const std::string why = is_parquet ? "" : io::describe_non_text(beginning);
  if (!why.empty()) throw DataError(facts.path + " " + why);
  facts.kind = io::name_of(format);
  facts.checked_ratio = static_cast<double>(beginning.size()) / static_cast<double>(bytes);
  return true;
}

// As the program does at startup.
void require_trainable(const TokenDataSettings& settings,
                       const std::vector<io::WeightedTokens>& sources) {
  if (settings.loader.context == 0) return;
  io::TokenLoaderOptions options = settings.loader;
  if (!settings.validation_paths.empty()) options.validation = settings.open_validation();
  const io::TokenLoader loader(sources, options);
}

void read_tokens(DataFacts& facts, const TokenDataSettings& settings, Clock::time_point deadline) {
  double checked = 0;
  int64_t tokens = 0;
  const auto sources = settings.open();
  for (const auto& source : sources) {
    facts.kind = source.data.format();
    take_tokens(facts, source.data);
    tokens += source.data.size();
    checked += verify_tokens(source.data, deadline) * static_cast<double>(source.data.size());
  }
  facts.samples = tokens;
  require_trainable(settings, sources);
  facts.checked_ratio = tokens == 0 ? 1 : checked / static_cast<double>(tokens);
}

void read_images(DataFacts& facts) {
  const auto images = io::ImageData::read(facts.path);
  facts.samples = images.size();
  const DataShape shape = data_shape_of(images.images, images.classes());
  facts.features = shape.features;
  facts.classes = shape.classes;
  facts.channels = shape.channels;
  facts.height = shape.height;
  facts.width = shape.width;
  facts.fingerprint = images.fingerprint;
}

void read_file(DataFacts& facts, const TokenDataSettings& settings, Clock::time_point deadline) {
  const std::string beginning = first_bytes(facts.path, 1 << 20);
  if (beginning.starts_with("\x89HDF\r\n\x1a\n")) {
    facts.kind = "images";
    read_images(facts);
    return;
  }
  auto format = settings.loader.data.format;
  if (format == io::DataFormat::automatic) format = io::recognize_format(facts.path);
  if (!read_large_text(facts, format, beginning)) read_tokens(facts, settings, deadline);
}

// Whether a message asks for a setting that describes the data, which may well be intact.
bool names_a_setting(std::string_view message) {
  constexpr std::string_view kKeys[] = {"data.format", "data.vocabulary_size", "data.tokenizer",
                                        "data.weights"};
  return std::ranges::any_of(kKeys, [&](auto key) { return message.find(key) != message.npos; });
}

// The findings are about data anyway.
std::string without_subject(std::string message) {
  constexpr std::string_view kPrefix = "data: ";
  return message.starts_with(kPrefix) ? message.substr(kPrefix.size()) : message;
}

DataFacts::State state_after(const Error& error) {
  using State = DataFacts::State;
  if (names_a_setting(error.what())) return State::unsuitable;
  return dynamic_cast<const DataError*>(&error) ? State::damaged : State::missing;
}

DataFacts read(const TokenDataSettings& settings, Clock::time_point deadline) {
  DataFacts facts{.path = fmt::format("{}", fmt::join(settings.paths, ", "))};
  try {
    if (settings.paths.size() == 1 && fs::exists(facts.path) && !fs::is_directory(facts.path)) {
      read_file(facts, settings, deadline);
    } else {
      read_tokens(facts, settings, deadline);
    }
  } catch (const Error& error) {
    // What can be read, but not trained on, has been counted.
    const bool has_been_read = facts.vocabulary > 0 || facts.kind == "text";
    facts.state = has_been_read && dynamic_cast<const ConfigurationError*>(&error)
                      ? DataFacts::State::unsuitable
                      : state_after(error);
    facts.failure = without_subject(error.what());
  } catch (const std::exception& error) {
    facts.state = DataFacts::State::missing;
    facts.failure = error.what();
  }
  return facts;
}

std::string summary(const DataFacts& facts) {
  std::string text = fmt::format("{}: {}", facts.path, facts.kind);
  if (facts.samples > 0) {
    text += fmt::format(" of {} {}", io::with_thousands(facts.samples),
                        facts.vocabulary > 0 ? "tokens" : "samples");
  }
  if (facts.vocabulary > 0)
    text += fmt::format(", vocabulary {}", io::with_thousands(facts.vocabulary));
  if (facts.checked_ratio < 1)
    text += fmt::format(", {:.2g} % of it checked", 100 * facts.checked_ratio);
  return text;
}

}  // namespace

DataFacts probe_data(const TokenDataSettings& data, double seconds) {
  const auto deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(seconds * 2 / 3));
  const auto facts = within<DataFacts>(seconds, [data, deadline] { return read(data, deadline); });
  return facts.value_or(
      DataFacts{.path = fmt::format("{}", fmt::join(data.paths, ", ")),
                .state = DataFacts::State::no_answer,
                .failure = fmt::format("reading it did not end within {:.3g} s", seconds)});
}

std::vector<Finding> check_data(const DataFacts& facts, const std::string& host,
                                int64_t model_vocabulary) {
  const std::string where = fmt::format("{} on {}", facts.path, host);
  switch (facts.state) {
    case DataFacts::State::missing:
      return {found(kSubject, kNoData, facts.failure, where)};
    case DataFacts::State::damaged:
      return {found(kSubject, kBadData, facts.failure, where)};
    case DataFacts::State::unsuitable:
      return {found(kSubject, kUnsuitableData, facts.failure, where)};
    case DataFacts::State::no_answer:
      return {found(kSubject, kDataHangs, facts.failure, where)};
    case DataFacts::State::readable:
      break;
  }
  if (model_vocabulary > 0 && facts.vocabulary > model_vocabulary) {
    return {found(
        kSubject, kVocabulary,
        fmt::format("the data has {} tokens, model.vocab is {}",
                    io::with_thousands(facts.vocabulary), io::with_thousands(model_vocabulary)),
        where)};
  }
  return {ok(kSubject, summary(facts))};
}

}  // namespace ripieno::tools::doctor
