#include "ripieno/tools/launch/mpirun/mpirun_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ripieno/tools/shell_line.h"

namespace ripieno::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

AttemptCommand two_hosts() {
  return {.ranks = 4,
          .hosts = {{"h1", 2}, {"h2", 2}},
          .network = {"if_include", "10.77.0.0/24"},
          .temporary = "/dev/shm/x.1",
          .exported = {"OMP_NUM_THREADS"},
          .program = {"train_gpt", "--set", "log.show=[\"kl\", \"it's\"]"}};
}

TEST(MpirunCommand, HasEverythingThatSeveralHostsRequire) {
  EXPECT_EQ(shell_line(words_of(two_hosts(), {})),
            "mpirun -n 4 --host h1:2,h2:2 --map-by slot --bind-to none "
            "--mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24 "
            "--mca oob_tcp_keepalive_time 4 --mca oob_tcp_keepalive_intvl 1 "
            "--mca oob_tcp_keepalive_probes 4 --mca orte_tmpdir_base /dev/shm/x.1 "
            "--mca btl_vader_backing_directory /dev/shm/x.1 -x OMP_NUM_THREADS "
            "train_gpt --set 'log.show=[\"kl\", \"it'\\''s\"]'");
}

TEST(ShellLine, HasNoControlCharacters) {
  EXPECT_EQ(shell_line({"a b", "\x1b[2J'\\\n", "\x7f", ""}),
            "'a b' $'\\033[2J\\'\\\\\\012' $'\\177' ''");
}

TEST(MpirunCommand, OfOneRankOnThisHostIsTheProgramItself) {
  EXPECT_EQ(words_of({.program = {"train_gpt", "--quiet"}}, {}),
            (std::vector<std::string>{"train_gpt", "--quiet"}));
}

TEST(MpirunCommand, OnThisHostHasNoNetworkOptions) {
  const std::string line = shell_line(words_of({.ranks = 2, .program = {"p"}}, {}));
  EXPECT_THAT(line, HasSubstr("mpirun -n 2 --oversubscribe"));
  EXPECT_THAT(line, Not(HasSubstr("tcp")));
}

TEST(MpirunCommand, YieldsAndRunsAsRootOnlyWhereRequired) {
  AttemptCommand command = two_hosts();
  EXPECT_THAT(shell_line(words_of(command, {})), Not(HasSubstr("mpi_yield_when_idle")));
  EXPECT_THAT(shell_line(words_of(command, {})), Not(HasSubstr("--allow-run-as-root")));
  command.exceeds_cores = command.is_root = true;
  EXPECT_THAT(shell_line(words_of(command, {})), HasSubstr("--mca mpi_yield_when_idle 1"));
  EXPECT_THAT(shell_line(words_of(command, {})), HasSubstr("--allow-run-as-root"));
}

TEST(MpirunCommand, StartsTheWrapperBeforeTheProgram) {
  AttemptCommand command = two_hosts();
  command.more_options = {"--report-bindings"};
  EXPECT_THAT(shell_line(words_of(command, {"wrapper", "--"})),
              HasSubstr("--report-bindings wrapper -- train_gpt --set"));
}

TEST(MpirunCommand, ExportsOnlyWhatRanksRequire) {
  const char* environment[] = {
      "PATH=/bin",      "RIPIENO_SHARE_GPU=1", "NCCL_DEBUG=INFO", "OMP_NUM_THREADS=2",
      "SECRET_TOKEN=x", "LD_LIBRARY_PATH=/l",  "OMPI_MCA_x=1",    nullptr};
  EXPECT_EQ(exported_variables(environment),
            (std::vector<std::string>{"LD_LIBRARY_PATH", "NCCL_DEBUG", "OMP_NUM_THREADS",
                                      "RIPIENO_SHARE_GPU"}));
}

}  // namespace
}  // namespace ripieno::tools
