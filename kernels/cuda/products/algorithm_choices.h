// AlgorithmChoices: the algorithm chosen for each matrix product, in memory and in a file per
// device. Private to kernels/cuda.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "ripieno/kernels/cuda/products/product_library.h"

namespace ripieno::kernels::cuda {

struct AlgorithmChoice {
  bool fused = true;  // false: a plain product, followed by built-in kernels for the epilogue
  Algorithm algorithm{};
  double seconds = 0.0;

  auto operator<=>(const AlgorithmChoice&) const = default;
};

// Identifies a choice: the device with its versions (ProductLibrary::identity()), and the problem
// (key_of()).
struct ChoiceName {
  std::string identity, key;

  auto operator<=>(const ChoiceName&) const = default;
};

// Conversion to and from text lines. Each line has a checksum, since a damaged algorithm must not
// be passed to the library.
std::string to_text(const std::map<ChoiceName, AlgorithmChoice>& choices);
struct ReadChoices {
  std::map<ChoiceName, AlgorithmChoice> choices;
  int damaged_lines = 0;
};
ReadChoices choices_in(std::string_view text);
// `line`, preceded by its checksum, which covers the device's identity too.
std::string sealed(std::string_view identity, std::string_view line);

// Thread-safe.
class AlgorithmChoices {
 public:
  // Loads the file of the name's device at the first call for it, unless numerics() allows only
  // heuristics.
  std::optional<AlgorithmChoice> find(const ChoiceName& name);
  // Adds a choice, and saves it to the file if there is a cache folder.
  void add(const ChoiceName& name, const AlgorithmChoice& choice);

  std::string text() const;         // all choices that were found, added or given
  int take(std::string_view text);  // from now on these take precedence; returns their number
  // Changes whenever choices that were found before may have become outdated.
  uint64_t generation() const { return generation_; }
  void next_generation() { ++generation_; }

  void on_remark(std::function<void(std::string_view)> remark);
  void remark(const std::string& line) const;

 private:
  void load(const std::string& identity);
  void report_given_choices_of_other_devices(const std::string& identity);
  void save(const std::string& identity);
  void report(const std::string& line) const;

  mutable std::mutex mutex_;
  std::map<ChoiceName, AlgorithmChoice> choices_, used_, given_;
  std::map<std::string, bool> loaded_;
  bool can_save_ = true;
  std::atomic<uint64_t> generation_ = 0;
  std::function<void(std::string_view)> remark_;
};

// The file of a device in cache_folder(); empty if there is no folder.
std::filesystem::path file_of(const std::string& identity);

AlgorithmChoices& algorithm_choices();

}  // namespace ripieno::kernels::cuda
