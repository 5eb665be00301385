// Exchange: passes texts between the ranks of a job, through MPI or, where MPI does not deliver,
// through files in a directory that they share.
//
// Each text is written to a file before MPI is used. So ranks that find MPI broken, and those for
// which it still works, get the same texts.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "ripieno/tools/doctor/mpi_job.h"

namespace ripieno::tools::doctor {

// This process in the job, by the variables of its launcher.
struct LaunchedRank {
  int rank = 0;
  int size = 1;
  int local_rank = 0;
  std::string job;  // the same on all ranks, different for other jobs
};
LaunchedRank launched_rank_of_this_process();

class Exchange {
 public:
  using Clock = std::chrono::steady_clock;

  // `directory` must exist on some host at least. `mpi` must outlive this.
  Exchange(const LaunchedRank& rank, const std::string& directory, MpiJob& mpi);

  // The texts of all ranks, in rank order; empty for those that were not heard of until `deadline`.
  // Every rank calls it in the same order.
  std::vector<std::string> gather(const std::string& text, Clock::time_point deadline);

  // Whether this rank's file of the last gather() could be written.
  bool has_written() const { return has_written_; }
  // The ranks whose file of the last gather() cannot be seen from here until `deadline`.
  std::vector<int> unseen(Clock::time_point deadline) const;

  // Rank 0 removes the files; other ranks wait until then if MPI does not work, since mpirun ends
  // rank 0 when another one ends first.
  void finish(Clock::time_point deadline);

 private:
  std::string file_of(int rank) const;
  void write(const std::string& text);
  std::vector<std::string> read_files(Clock::time_point deadline) const;

  LaunchedRank self_;
  std::string folder_;
  MpiJob& mpi_;
  int round_ = 0;
  bool has_written_ = false;
};

}  // namespace ripieno::tools::doctor
