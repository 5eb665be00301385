#include "ripieno/kernels/cuda/products/algorithm_choices.h"

#include <utility>

#include "ripieno/kernels/cuda/runtime/cache_files.h"
#include "ripieno/kernels/matmul_algorithms.h"
#include "ripieno/kernels/numerics.h"

namespace ripieno::kernels {
namespace cuda {

namespace {

bool only_guesses() { return numerics().algorithms == ProductAlgorithms::guessed; }

}  // namespace

std::filesystem::path file_of(const std::string& identity) {
  const std::filesystem::path folder = cache_folder();
  if (folder.empty()) return {};
  std::string name = "matmul-";
  for (const char c : identity) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (plain || c == '.')
      name += c;
    else if (name.back() != '-')
      name += '-';
  }
  return folder / (name + ".txt");
}

std::optional<AlgorithmChoice> AlgorithmChoices::find(const ChoiceName& name) {
  const std::lock_guard lock(mutex_);
  if (!only_guesses() && !std::exchange(loaded_[name.identity], true)) {
    load(name.identity);
    report_given_choices_of_other_devices(name.identity);
  }
  for (const auto* choices : {&given_, &choices_}) {
    if (choices == &choices_ && only_guesses()) break;
    const auto found = choices->find(name);
    if (found == choices->end()) continue;
    used_.insert_or_assign(name, found->second);
    return found->second;
  }
  return std::nullopt;
}

void AlgorithmChoices::add(const ChoiceName& name, const AlgorithmChoice& choice) {
  const std::lock_guard lock(mutex_);
  given_.erase(name);  // it did not fit this product
  choices_.insert_or_assign(name, choice);
  used_.insert_or_assign(name, choice);
  save(name.identity);
}

std::string AlgorithmChoices::text() const {
  const std::lock_guard lock(mutex_);
  auto all = given_;
  all.insert(used_.begin(), used_.end());
  return to_text(all);
}

int AlgorithmChoices::take(std::string_view text) {
  const std::lock_guard lock(mutex_);
  ReadChoices read = choices_in(text);
  if (read.damaged_lines > 0) {
    report(
        std::to_string(read.damaged_lines) +
        " lines of the given matrix product algorithms are damaged; those products are measured");
  }
  const int taken = static_cast<int>(read.choices.size());
  for (auto& [name, choice] : read.choices) given_.insert_or_assign(name, choice);
  loaded_.clear();  // so that find() checks for each device again whether they are for it
  ++generation_;
  return taken;
}

void AlgorithmChoices::load(const std::string& identity) {
  const std::filesystem::path file = file_of(identity);
  if (file.empty()) return;
  const auto text = content_of(file);
  if (!text) return;
  ReadChoices read = choices_in(*text);
  int foreign = 0;
  for (auto& [name, choice] : read.choices) {
    if (name.identity == identity) {
      choices_.try_emplace(name, choice);
    } else {
      ++foreign;
    }
  }
  if (read.damaged_lines + foreign > 0) {
    report(file.string() + ": " + std::to_string(read.damaged_lines + foreign) +
           " lines are damaged or for another device; those products are measured again");
  }
}

void AlgorithmChoices::report_given_choices_of_other_devices(const std::string& identity) {
  if (given_.empty()) return;
  for (const auto& [name, choice] : given_) {
    if (name.identity == identity) return;
  }
  report("the given matrix product algorithms are for " + given_.begin()->first.identity +
         ", this device is " + identity + "; its products are measured");
}

void AlgorithmChoices::save(const std::string& identity) {
  const std::filesystem::path file = file_of(identity);
  if (file.empty() || !can_save_) return;
  std::map<ChoiceName, AlgorithmChoice> all;
  for (const auto& [name, choice] : choices_) {
    if (name.identity == identity) all.emplace(name, choice);
  }
  // Other processes may have added choices since the file was read.
  if (const auto text = content_of(file)) {
    for (const auto& [name, choice] : choices_in(*text).choices) {
      if (name.identity == identity) all.emplace(name, choice);
    }
  }
  can_save_ = write_whole(file, to_text(all));
  if (!can_save_) {
    report("cannot write " + file.string() +
           "; the next process measures matrix product algorithms again; set RIPIENO_CACHE_DIR to "
           "use another folder");
  }
}

void AlgorithmChoices::on_remark(std::function<void(std::string_view)> remark) {
  const std::lock_guard lock(mutex_);
  remark_ = std::move(remark);
}

void AlgorithmChoices::remark(const std::string& line) const {
  const std::lock_guard lock(mutex_);
  report(line);
}

void AlgorithmChoices::report(const std::string& line) const {
  if (remark_) remark_(line);
}

AlgorithmChoices& algorithm_choices() {
  static auto& choices = *new AlgorithmChoices;
  return choices;
}

}  // namespace cuda

std::string matmul_algorithms() { return cuda::algorithm_choices().text(); }
int use_matmul_algorithms(std::string_view text) { return cuda::algorithm_choices().take(text); }

void on_matmul_remark(std::function<void(std::string_view)> remark) {
  cuda::algorithm_choices().on_remark(std::move(remark));
}

}  // namespace ripieno::kernels
