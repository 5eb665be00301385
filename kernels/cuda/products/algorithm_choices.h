// AlgorithmChoices: which algorithm was chosen for which product, kept in memory and in a file.
// Private to kernels/cuda, where the products are.
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
  bool fused = true;  // else the plain product, and then kernels of our own
  Algorithm algorithm{};
  double seconds = 0.0;

  auto operator<=>(const AlgorithmChoice&) const = default;
};

// A device with its versions (ProductLibrary::identity), and a problem (key_of).
struct ChoiceName {
  std::string identity, key;

  auto operator<=>(const ChoiceName&) const = default;
};

// As text, whole lines: each carries a checksum, since a damaged algorithm must not reach the
// library.
std::string to_text(const std::map<ChoiceName, AlgorithmChoice>& choices);
struct ReadChoices {
  std::map<ChoiceName, AlgorithmChoice> choices;
  int damaged_lines = 0;
};
ReadChoices choices_in(std::string_view text);
// A line of a device behind its checksum.
std::string sealed(std::string_view identity, std::string_view line);

// Any thread may call.
class AlgorithmChoices {
 public:
  // Reads the file of `name`'s device when it is first asked for, unless only guesses are allowed.
  std::optional<AlgorithmChoice> find(const ChoiceName& name);
  // Keeps a choice, in the file too where there can be one.
  void add(const ChoiceName& name, const AlgorithmChoice& choice);

  std::string text() const;         // of those found, added or given
  int take(std::string_view text);  // these go first from now on
  // Another one where choices found before may have changed.
  uint64_t generation() const { return generation_; }
  void next_generation() { ++generation_; }

  void on_remark(std::function<void(std::string_view)> remark);
  void remark(const std::string& line) const;

 private:
  void load(const std::string& identity);
  void say_where_given_choices_are_from(const std::string& identity);
  void save(const std::string& identity);
  void say(const std::string& line) const;

  mutable std::mutex mutex_;
  std::map<ChoiceName, AlgorithmChoice> choices_, used_, given_;
  std::map<std::string, bool> loaded_;
  bool can_save_ = true;
  std::atomic<uint64_t> generation_ = 0;
  std::function<void(std::string_view)> remark_;
};

// The file of a device in cache_folder(); empty where there is no folder.
std::filesystem::path file_of(const std::string& identity);

AlgorithmChoices& algorithm_choices();

}  // namespace ripieno::kernels::cuda
