#include "ripieno/tools/launch/mpirun/hosts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "ripieno/core/error.h"

namespace ripieno::tools {
namespace {

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const ConfigurationError& error) {
    return error.what();
  }
  return "no error";
}

Environment environment_of(const std::map<std::string, std::string>& variables) {
  return [variables](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

TEST(HostFile, ListsHostsWithTheirSlots) {
  const auto hosts = parse_host_file("hosts",
                                     "# ours\n"
                                     "h1 slots=4 max_slots=8\n"
                                     "\n"
                                     "  h2:2\t# two GPUs\n"
                                     "h-3.example.org\r\n");
  EXPECT_EQ(hosts, (std::vector<Host>{{"h1", 4}, {"h2", 2}, {"h-3.example.org", 1}}));
  EXPECT_EQ(slots_of(hosts), 7);
}

TEST(HostFile, RefusesAHostThatIsListedTwice) {
  EXPECT_EQ(message_of([] { parse_host_file("hosts", "h1\nh2 slots=2\n\nh1 slots=2\n"); }),
            "hosts:4: h1 is listed twice, first on line 1; list each host once, with slots=N for N "
            "ranks");
}

TEST(HostFile, NamesTheLineThatDoesNotParse) {
  for (const char* line :
       {"h1 slots=", "h1 slots=0", "h1 slots=-1", "h1 slots=two", "h1 4", "h1 slots=99999999999",
        "-oProxyCommand=x", "h1;reboot", "h1 user=me", "h1:", "h1:x", "\x01\x02"}) {
    const std::string message =
        message_of([&] { parse_host_file("hosts", std::string("h0\n") + line + "\n"); });
    EXPECT_THAT(message, testing::StartsWith("hosts:2: ")) << line;
    EXPECT_EQ(message.find('\n'), std::string::npos) << line;
  }
}

TEST(HostFile, RefusesAFileWithoutHosts) {
  for (const char* text : {"", "\n\n", "# h1\n"})
    EXPECT_THAT(message_of([&] { parse_host_file("hosts", text); }),
                testing::HasSubstr("lists no host"));
  EXPECT_THAT(message_of([] { find_hosts("no/such/file", environment_of({})); }),
              testing::StartsWith("no/such/file: cannot read the host file"));
  EXPECT_THAT(message_of([] { find_hosts("/", environment_of({})); }),
              testing::StartsWith("/: cannot read the host file"));
}

TEST(Slurm, NodeListsAreExpanded) {
  EXPECT_EQ(expand_node_list("h1"), (std::vector<std::string>{"h1"}));
  EXPECT_EQ(expand_node_list("gpu[08-10,12],login,r[1-2]n[5,7]"),
            (std::vector<std::string>{"gpu08", "gpu09", "gpu10", "gpu12", "login", "r1n5", "r2n5",
                                      "r1n7", "r2n7"}));
}

TEST(Slurm, TaskCountsAreExpanded) {
  EXPECT_EQ(expand_task_counts("2(x3),1", 4), (std::vector<int>{2, 2, 2, 1}));
  EXPECT_EQ(expand_task_counts("8", 1), (std::vector<int>{8}));
}

TEST(Slurm, AListThatDoesNotParseIsRefusedInOneLine) {
  for (const char* list :
       {"", "h[", "h[1-", "h[3-1]", "h[1-999999999]", "h[x]", "h,,g", "h]", "h[1-90000]x[1-90000]"})
    EXPECT_THAT(message_of([&] { expand_node_list(list); }),
                testing::StartsWith("SLURM_JOB_NODELIST="))
        << list;
  for (const char* list : {"", "0", "2(x", "2(x2", "2(x9)", "x", "1,1", "-1"})
    EXPECT_THAT(message_of([&] { expand_task_counts(list, 3); }),
                testing::StartsWith("SLURM_TASKS_PER_NODE="))
        << list;
}

TEST(Hosts, ComeFromTheFileThenSlurmThenOpenMpisDefault) {
  const std::string path = testing::TempDir() + "default_hosts";
  std::ofstream(path) << "worker-0 slots=8\n";
  EXPECT_TRUE(find_hosts("", environment_of({})).empty());
  EXPECT_EQ(find_hosts("", environment_of({{"OMPI_MCA_orte_default_hostfile", path}})),
            (std::vector<Host>{{"worker-0", 8}}));
  const auto both = environment_of({{"OMPI_MCA_orte_default_hostfile", path},
                                    {"SLURM_JOB_NODELIST", "h[1-2]"},
                                    {"SLURM_TASKS_PER_NODE", "4(x2)"}});
  EXPECT_EQ(find_hosts("", both), (std::vector<Host>{{"h1", 4}, {"h2", 4}}));
  EXPECT_EQ(find_hosts(path, both), (std::vector<Host>{{"worker-0", 8}}));
}

TEST(ExcludeFile, RemovesItsHosts) {
  const std::string path = testing::TempDir() + "exclude";
  const std::vector<Host> hosts = {{"h1", 4}, {"h2", 2}, {"h3", 1}};
  std::ofstream(path) << "# written by a tool\nh2  # D-NET-03\nh9\n";
  EXPECT_EQ(without_excluded(hosts, path), (std::vector<Host>{{"h1", 4}, {"h3", 1}}));
  std::ofstream(path) << "h1\nh2\nh3\n";
  EXPECT_EQ(message_of([&] { without_excluded(hosts, path); }),
            path + ": excludes all hosts; leave at least one");
  std::ofstream(path) << "# none\n";
  EXPECT_EQ(without_excluded(hosts, path), hosts);
}

}  // namespace
}  // namespace ripieno::tools
