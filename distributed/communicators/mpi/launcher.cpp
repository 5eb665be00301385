#include "ripieno/distributed/communicators/mpi/launcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace ripieno::distributed {

namespace {

// The value of the first of these variables that is a number of at least 0.
std::optional<int> number_of(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const char* text = std::getenv(name);
    if (text == nullptr) continue;
    const std::string_view digits(text);
    int number = 0;
    const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
    if (error == std::errc() && end == digits.end() && number >= 0) return number;
  }
  return std::nullopt;
}

// Set by mpirun of Open MPI, by mpirun of MPICH and Intel MPI, and by PMIx launchers
// (srun --mpi=pmix).
std::optional<int> rank_in_job() {
  return number_of({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"});
}

// The number of tasks of the Slurm job step. It is not set in a batch script or in processes
// started there without srun, whatever SLURM_NTASKS is. mpirun inside a job starts its daemons with
// srun, so its ranks inherit this variable; mpirun's own variables therefore take precedence.
std::optional<int> size_of_step() { return number_of({"SLURM_STEP_NUM_TASKS"}); }

}  // namespace

bool started_by_launcher() { return rank_in_job().has_value(); }

int launched_size() {
  if (const auto size = number_of({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})) return std::max(*size, 1);
  const int at_least = rank_in_job().value_or(0) + 1;  // PMIx provides a rank but no size
  return std::max(size_of_step().value_or(1), at_least);
}

int launched_rank() { return rank_in_job().value_or(0); }

std::string explain_world_size_of_one(const std::string& mpi) {
  const int size = launched_size();
  if (size_of_step().value_or(1) > 1) {
    return fmt::format(
        "srun started {} tasks, but MPI ({}) reports a world size of 1, so each task would train "
        "separately; launch with srun --mpi=pmix (srun --mpi=list prints what is available) or "
        "with mpirun inside the job; to train with one process, use srun -n 1",
        size, mpi);
  }
  return fmt::format(
      "mpirun started {} ranks, but MPI reports a world size of 1: this program was built with "
      "another MPI library ({}); launch it with that library's mpirun",
      size, mpi);
}

}  // namespace ripieno::distributed
