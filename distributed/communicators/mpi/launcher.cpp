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

// The first of these variables that is a number, and not negative.
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

// Set by Open MPI's mpirun, by MPICH's and Intel's, and by those that speak PMIx (srun --mpi=pmix).
std::optional<int> rank_in_job() {
  return number_of({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"});
}

// Of a step of Slurm's. In the script of a batch job, and in what it starts without srun, it is not
// set, whatever SLURM_NTASKS says of the job. An mpirun in the job starts its daemons by srun and
// the ranks inherit the step's variables, but theirs come first.
std::optional<int> size_of_step() { return number_of({"SLURM_STEP_NUM_TASKS"}); }

}  // namespace

bool started_by_launcher() { return rank_in_job().has_value(); }

int launched_size() {
  if (const auto size = number_of({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"})) return std::max(*size, 1);
  const int at_least = rank_in_job().value_or(0) + 1;  // PMIx gives a rank and no size
  return std::max(size_of_step().value_or(1), at_least);
}

int launched_rank() { return rank_in_job().value_or(0); }

std::string explain_being_alone(const std::string& mpi) {
  const int size = launched_size();
  if (size_of_step().value_or(1) > 1) {
    return fmt::format(
        "srun started {} tasks, but MPI ({}) finds this one alone, so each would train on its own; "
        "start them with srun --mpi=pmix (srun --mpi=list shows what this Slurm has), or with "
        "mpirun inside the job; to run once, use srun -n 1",
        size, mpi);
  }
  return fmt::format(
      "mpirun started {} ranks, but this one is alone: it was built with another MPI ({}); start "
      "it with the mpirun of that one",
      size, mpi);
}

}  // namespace ripieno::distributed
