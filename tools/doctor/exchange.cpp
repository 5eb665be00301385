#include "ripieno/tools/doctor/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/exchange.h"
#include "ripieno/distributed/communicators/mpi/launcher.h"
#include "ripieno/io/files/file_system.h"
#include "ripieno/tools/doctor/within.h"

namespace ripieno::tools::doctor {
namespace {

constexpr double kWriteSeconds = 3;
constexpr std::chrono::milliseconds kPause(20);
constexpr std::chrono::seconds kUntilRank0Ends(2);  // then mpirun ends this rank

// The value of the first of these variables that is set; empty if none is.
std::string first_set(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  }
  return "";
}

double seconds_until(Exchange::Clock::time_point deadline) {
  return std::max(0.0, std::chrono::duration<double>(deadline - Exchange::Clock::now()).count());
}

std::string read_letter(const std::string& path) {
  auto& files = io::local_files();
  try {
    return files.exists(path) ? io::read_file(files, path) : "";
  } catch (const Error&) {  // it is being replaced; read again later
    return "";
  }
}

}  // namespace

LaunchedRank launched_rank_of_this_process() {
  LaunchedRank self{
      .rank = distributed::launched_rank(),
      .size = distributed::launched_size(),
      .job = first_set({"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid", "PMI_JOBID", "SLURM_JOB_ID"})};
  const std::string local =
      first_set({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"});
  std::from_chars(local.data(), local.data() + local.size(), self.local_rank);
  std::erase_if(self.job, [](unsigned char c) { return !std::isalnum(c); });
  return self;
}

Exchange::Exchange(const LaunchedRank& rank, const std::string& directory, MpiJob& mpi)
    : self_(rank),
      folder_(fmt::format("{}/.ripieno_doctor_job_{}", directory, rank.job)),
      mpi_(mpi) {}

std::string Exchange::file_of(int rank) const {
  return fmt::format("{}/{}_{}.json", folder_, round_, rank);
}

void Exchange::write(const std::string& text) {
  has_written_ = within<bool>(kWriteSeconds, [folder = folder_, path = file_of(self_.rank), text] {
                   try {
                     auto& files = io::local_files();
                     files.make_directories(folder);
                     io::write_file(files, path + ".partial", text);
                     files.rename(path + ".partial", path);
                     return true;
                   } catch (const StorageError&) {
                     return false;
                   }
                 }).value_or(false);
}

std::vector<std::string> Exchange::read_files(Clock::time_point deadline) const {
  std::vector<std::string> texts(static_cast<std::size_t>(self_.size));
  for (;; std::this_thread::sleep_for(kPause)) {
    bool is_complete = true;
    for (int rank = 0; rank < self_.size; ++rank) {
      auto& text = texts[static_cast<std::size_t>(rank)];
      if (!text.empty()) continue;
      const auto read = within<std::string>(std::min(kWriteSeconds, seconds_until(deadline) + 0.1),
                                            [path = file_of(rank)] { return read_letter(path); });
      if (!read) return texts;
      text = *read;
      is_complete = is_complete && !text.empty();
    }
    if (is_complete || Clock::now() > deadline) return texts;
  }
}

std::vector<std::string> Exchange::gather(const std::string& text, Clock::time_point deadline) {
  ++round_;
  if (self_.size == 1) return {text};
  write(text);
  const auto texts = std::make_shared<std::vector<std::string>>();
  const bool is_delivered = mpi_.run(
      std::max(1.0, seconds_until(deadline)),
      [texts, text](distributed::Communicator& all) { *texts = distributed::gather(all, text); });
  if (is_delivered) return *texts;
  constexpr std::chrono::milliseconds kAfterMpi(1500);  // other ranks give up a little later
  auto found = read_files(std::max(deadline, Clock::now()) + kAfterMpi);
  found[static_cast<std::size_t>(self_.rank)] = text;
  return found;
}

std::vector<int> Exchange::unseen(Clock::time_point deadline) const {
  std::vector<int> ranks;
  if (self_.size == 1) return ranks;
  const auto texts = read_files(deadline);
  for (int rank = 0; rank < self_.size; ++rank) {
    if (texts[static_cast<std::size_t>(rank)].empty()) ranks.push_back(rank);
  }
  return ranks;
}

void Exchange::finish(Clock::time_point deadline) {
  if (self_.rank == 0) {
    within<bool>(kWriteSeconds, [folder = folder_] {
      std::error_code ignored;
      std::filesystem::remove_all(folder, ignored);
      return true;
    });
    return;
  }
  if (mpi_.works()) return;
  while (Clock::now() < deadline) {
    const auto exists = within<bool>(kWriteSeconds, [folder = folder_] {
      std::error_code ignored;
      return std::filesystem::exists(folder, ignored);
    });
    if (!exists.value_or(false)) break;
    std::this_thread::sleep_for(kPause);
  }
  std::this_thread::sleep_for(kUntilRank0Ends);
}

}  // namespace ripieno::tools::doctor
