#include "ripieno/kernels/cuda/cudnn/plan_files.h"

#include <string_view>
#include <utility>

#include "ripieno/kernels/cuda/runtime/cache_files.h"

namespace ripieno::kernels::cuda {

PlanFiles::PlanFiles(std::filesystem::path folder, std::string identity)
    : folder_(std::move(folder)), identity_(std::move(identity)) {}

std::filesystem::path PlanFiles::file_of(const std::string& name) const {
  return folder_ / ("plan-" + hexadecimal(checksum_of({identity_, "\n", name})) + ".txt");
}

// Format: a line with the checksum of the rest; the identity and the name; an empty line; the plan.
std::optional<std::string> PlanFiles::read(const std::string& name) const {
  if (folder_.empty()) return std::nullopt;
  const auto content = content_of(file_of(name));
  if (!content) return std::nullopt;
  const std::string_view text = *content;
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(line + 1);
  if (text.substr(0, line) != hexadecimal(checksum_of({rest}))) return std::nullopt;
  const std::string head = identity_ + '\n' + name + '\n';
  if (rest.substr(0, head.size()) != head) return std::nullopt;
  return std::string(rest.substr(head.size()));
}

void PlanFiles::write(const std::string& name, const std::string& plan) const {
  if (folder_.empty()) return;
  const std::string rest = identity_ + '\n' + name + '\n' + plan;
  write_whole(file_of(name), hexadecimal(checksum_of({rest})) + '\n' + rest);
}

}  // namespace ripieno::kernels::cuda
