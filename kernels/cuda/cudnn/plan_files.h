// PlanFiles: plans of a library as text, in a folder of files, for the next process. Private to
// kernels/cuda.
//
// A plan holds a compiled kernel: cuDNN takes about a second to make one, and some milliseconds to
// read it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ripieno::kernels::cuda {

class PlanFiles {
 public:
  // identity: what all of the plans hold for. An empty folder keeps nothing.
  PlanFiles(std::filesystem::path folder, std::string identity);

  // The plan of that name, which may be long; nothing where there is none, or its file is damaged.
  std::optional<std::string> read(const std::string& name) const;
  // Whole or absent. A folder that cannot be written keeps nothing: the next process makes the plan
  // again.
  void write(const std::string& name, const std::string& plan) const;

 private:
  std::filesystem::path file_of(const std::string& name) const;

  std::filesystem::path folder_;
  std::string identity_;
};

}  // namespace ripieno::kernels::cuda
