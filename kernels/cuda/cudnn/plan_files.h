// PlanFiles: cache of a library's plans as text files, for later processes. Private to
// kernels/cuda.
//
// A plan contains a compiled kernel: cuDNN takes about a second to make one, and milliseconds to
// load it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ripieno::kernels::cuda {

class PlanFiles {
 public:
  // identity: what all plans depend on. With an empty folder nothing is cached.
  PlanFiles(std::filesystem::path folder, std::string identity);

  // The plan with that name, which may be long. nullopt if there is none or its file is damaged.
  std::optional<std::string> read(const std::string& name) const;
  // Writes the file atomically. Failures are ignored: the next process makes the plan again.
  void write(const std::string& name, const std::string& plan) const;

 private:
  std::filesystem::path file_of(const std::string& name) const;

  std::filesystem::path folder_;
  std::string identity_;
};

}  // namespace ripieno::kernels::cuda
