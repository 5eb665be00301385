#include "ripieno/tools/doctor/checks/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "ripieno/tools/doctor/data.h"
#include "ripieno/tools/doctor/storage.h"

namespace ripieno::tools::doctor {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint32_t address(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}

// A host on which nothing is wrong: 4 ranks of 8 on 8 cores.
HostFacts sound_host() {
  HostFacts facts;
  facts.host = "a";
  facts.ranks = 8;
  facts.ranks_on_host = 4;
  facts.gpu.description = "no CUDA driver";
  facts.limits.shared_memory = Space{8LL << 30, 8LL << 30};
  facts.limits.affinity = {.count = 8, .list = ""};
  facts.limits.available_bytes = 16LL << 30;
  facts.names = {{"a", ResolvedName::State::found, address(10, 0, 0, 1)}};
  facts.network.interfaces = {{"lo", address(127, 0, 0, 1), 8}, {"eth0", address(10, 0, 0, 1), 24}};
  facts.mpi = {.library = "Open MPI v4.1.4",
               .launcher = "mpirun (Open MPI) 4.1.6",
               .launched = 8,
               .world = 8};
  return facts;
}

std::vector<std::string> codes_of(const std::vector<Finding>& findings) {
  std::vector<std::string> codes;
  for (const auto& finding : findings)
    if (!finding.code.empty()) codes.push_back(finding.code);
  return codes;
}

// The codes of a sound host after `change`.
template <typename Change>
std::vector<std::string> codes_after(Change change) {
  HostFacts facts = sound_host();
  change(facts);
  return codes_of(check_host(facts));
}

}  // namespace

TEST(DoctorChecks, FindNothingOnASoundHost) {
  for (const auto& finding : check_host(sound_host()))
    EXPECT_EQ(finding.severity, Severity::ok) << finding.what;
}

TEST(DoctorChecks, NameTheHostAndTheRemedy) {
  HostFacts facts = sound_host();
  facts.limits.shared_memory = Space{64 << 20, 64 << 20};
  const auto findings = check_limits(facts);
  ASSERT_EQ(codes_of(findings), std::vector<std::string>{"D-LIM-01"});
  EXPECT_EQ(findings[0].where, "a");
  EXPECT_THAT(findings[0].what, HasSubstr("67.1 MB free"));
  EXPECT_THAT(findings[0].remedy, HasSubstr("--shm-size"));
}

TEST(DoctorChecks, FindLimits) {
  EXPECT_THAT(codes_after([](auto& facts) { facts.limits.shared_memory.reset(); }),
              ElementsAre("D-LIM-01"));
  EXPECT_THAT(codes_after([](auto& facts) { facts.limits.locked_memory_bytes = 65536; }),
              IsEmpty());
  EXPECT_THAT(codes_after([](auto& facts) {
                facts.limits.locked_memory_bytes = 65536;
                facts.limits.has_rdma = true;
              }),
              ElementsAre("D-LIM-02"));
  EXPECT_THAT(codes_after([](auto& facts) { facts.limits.open_files = 271; }),
              ElementsAre("D-LIM-03"));
  EXPECT_THAT(codes_after([](auto& facts) { facts.limits.open_files = 272; }), IsEmpty());
  EXPECT_THAT(codes_after([](auto& facts) { facts.limits.available_bytes = 1 << 30; }),
              ElementsAre("D-LIM-06"));
}

TEST(DoctorChecks, CompareThreadsAndRanksWithTheProcessorsOfAContainer) {
  EXPECT_THAT(codes_after([](auto& facts) {
                facts.limits.quota = {.group = "/", .processors = 4.0};
                facts.limits.threads = 2;
              }),
              ElementsAre("D-LIM-04"));
  const auto with_three = [](auto& facts) {
    facts.limits.quota = {.group = "/", .processors = 3.0};
  };
  EXPECT_THAT(codes_after(with_three), ElementsAre("D-LIM-05"));
  EXPECT_THAT(codes_after([&](auto& facts) {
                with_three(facts);
                facts.limits.yields_when_idle = true;
              }),
              IsEmpty());
}

TEST(DoctorChecks, FindNamesThatDoNotResolve) {
  EXPECT_THAT(codes_after([](auto& facts) {
                facts.names.push_back({"h9", ResolvedName::State::unknown});
              }),
              ElementsAre("D-NAME-01"));
  EXPECT_THAT(codes_after([](auto& facts) { facts.names[0].state = ResolvedName::State::unknown; }),
              ElementsAre("D-NAME-02"));
  EXPECT_THAT(codes_after([](auto& facts) { facts.names[0].address = address(127, 0, 1, 1); }),
              ElementsAre("D-NAME-03"));
  EXPECT_THAT(
      codes_after([](auto& facts) { facts.names[0].state = ResolvedName::State::no_answer; }),
      ElementsAre("D-NAME-04"));
}

TEST(DoctorChecks, FindAClockThatIsSetBackwards) {
  HostFacts facts = sound_host();
  facts.clock_jump_seconds = -3;
  const auto findings = check_clock(facts);
  EXPECT_THAT(codes_of(findings), ElementsAre("D-CLK-02"));
  EXPECT_THAT(findings[0].what, HasSubstr("backwards by 3 s"));
}

TEST(DoctorChecks, RefuseBridgesOfContainersByName) {
  const auto with_docker = [](auto& facts) {
    facts.network.interfaces.insert(facts.network.interfaces.begin(),
                                    {"docker0", address(172, 17, 0, 1), 16});
  };
  EXPECT_THAT(codes_after(with_docker), ElementsAre("D-NET-02"));  // several hosts, no choice
  EXPECT_THAT(codes_after([&](auto& facts) {
                with_docker(facts);
                facts.ranks = facts.ranks_on_host;
              }),
              ElementsAre("D-NET-01"));
  EXPECT_THAT(codes_after([&](auto& facts) {
                with_docker(facts);
                facts.network.mpi_include = "10.0.0.0/24";
              }),
              IsEmpty());
  EXPECT_THAT(codes_after([&](auto& facts) {
                with_docker(facts);
                facts.network.mpi_exclude = "127.0.0.0/8,docker0";
                facts.network.nccl = "docker0";
              }),
              ElementsAre("D-NET-02"));
}

TEST(DoctorChecks, FindAChosenInterfaceThatDoesNotExist) {
  EXPECT_THAT(codes_after([](auto& facts) { facts.network.nccl = "ib"; }), ElementsAre("D-NET-06"));
  EXPECT_THAT(codes_after([](auto& facts) { facts.network.nccl = "eth"; }), IsEmpty());
  EXPECT_THAT(codes_after([](auto& facts) { facts.network.nccl = "^ib"; }), IsEmpty());
}

TEST(DoctorChecks, CompareTheLauncherWithTheProgramsMpi) {
  const auto with = [](const char* launcher) {
    return codes_after([&](auto& facts) { facts.mpi.launcher = launcher; });
  };
  EXPECT_THAT(with("mpirun (Open MPI) 5.0.1"), ElementsAre("D-MPI-01"));
  EXPECT_THAT(with("HYDRA build details: Version: 4.1"), ElementsAre("D-MPI-01"));
  EXPECT_THAT(with(""), ElementsAre("D-MPI-02"));
  EXPECT_THAT(codes_after([](auto& facts) { facts.mpi.world = 1; }), ElementsAre("D-MPI-01"));
  EXPECT_THAT(codes_after([](auto& facts) { facts.mpi.failure = "timed out"; }),
              ElementsAre("D-MPI-03"));
}

TEST(DoctorChecks, FindGpusThatCannotBeUsedOrAreFaulty) {
  const auto with_gpus = [](auto& facts) {
    facts.gpu = {.count = 4,
                 .description = "4 GPUs",
                 .unusable = "",
                 .nccl = "NCCL 2.28.9 from libnccl.so.2",
                 .cudnn = "cuDNN 9",
                 .has_nccl = true,
                 .has_cudnn = true,
                 .tool = GpuFacts::Tool{.failure = "", .gpus = {{.index = 0, .name = "H100"}}}};
  };
  const auto codes = [&](auto change) {
    return codes_after([&](auto& facts) {
      with_gpus(facts);
      change(facts.gpu);
    });
  };
  EXPECT_THAT(codes([](auto&) {}), IsEmpty());
  EXPECT_THAT(codes([](auto& gpu) { gpu.unusable = "too old"; }), ElementsAre("D-GPU-01"));
  EXPECT_THAT(codes([](auto& gpu) { gpu.count = 2; }), ElementsAre("D-GPU-02"));
  EXPECT_THAT(codes([](auto& gpu) { gpu.nccl = "NCCL 2.28.3 from x"; }), ElementsAre("D-GPU-03"));
  EXPECT_THAT(codes([](auto& gpu) { gpu.nccl = "NCCL 2.28.8 from x"; }), ElementsAre("D-GPU-03"));
  EXPECT_THAT(codes([](auto& gpu) { gpu.nccl = "NCCL 2.28.2 from x"; }), IsEmpty());
  EXPECT_THAT(codes([](auto& gpu) { gpu.has_cudnn = false; }), ElementsAre("D-GPU-04"));
  EXPECT_THAT(codes([](auto& gpu) { gpu.tool->gpus[0].memory_errors = 1; }),
              ElementsAre("D-GPU-05"));
  EXPECT_THAT(codes([](auto& gpu) { gpu.tool->gpus[0].is_throttled = true; }),
              ElementsAre("D-GPU-06"));
  EXPECT_THAT(codes([](auto& gpu) { gpu.tool->failure = "status 9"; }), ElementsAre("D-GPU-07"));
}

TEST(DoctorChecks, FindFaultsOfStorage) {
  StorageFacts sound{.directory = "/runs", .space = Space{1LL << 40, 1LL << 39}};
  sound.write_bytes_per_second = 5e8;
  const auto codes = [&](auto change, int64_t needed = 0) {
    StorageFacts facts = sound;
    change(facts);
    return codes_of(check_storage(facts, "a", needed));
  };
  EXPECT_THAT(codes([](auto&) {}), IsEmpty());
  EXPECT_THAT(codes([](auto& facts) { facts.is_writable = false; }), ElementsAre("D-STO-01"));
  EXPECT_THAT(codes([](auto& facts) { facts.is_directory = false; }), ElementsAre("D-STO-08"));
  EXPECT_THAT(codes([](auto& facts) { facts.is_read_only = true; }), ElementsAre("D-STO-02"));
  EXPECT_THAT(codes([](auto& facts) { facts.space->free_bytes = 0; }), ElementsAre("D-STO-03"));
  EXPECT_THAT(codes([](auto&) {}, int64_t{1} << 40), ElementsAre("D-STO-03"));
  EXPECT_THAT(codes([](auto& facts) { facts.has_answered = false; }), ElementsAre("D-STO-04"));
  EXPECT_THAT(codes([](auto& facts) { facts.write_bytes_per_second = 1e6; }),
              ElementsAre("D-STO-05"));
  EXPECT_THAT(codes([](auto& facts) { facts.failure = "cannot rename"; }), ElementsAre("D-STO-07"));
  EXPECT_THAT(codes([](auto& facts) { facts.clock_difference_seconds = -30; }),
              ElementsAre("D-CLK-03"));
}

TEST(DoctorChecks, CompareTheDataWithTheModelsVocabulary) {
  const DataFacts facts{.path = "x", .kind = "text", .vocabulary = 70};
  EXPECT_THAT(codes_of(check_data(facts, "a", 64)), ElementsAre("D-DAT-03"));
  EXPECT_THAT(codes_of(check_data(facts, "a", 70)), IsEmpty());
  EXPECT_THAT(codes_of(check_data(facts, "a", 0)), IsEmpty());
}

TEST(DoctorCodes, AreDistinctAndOnThePage) {
  std::ifstream file(DOCTOR_PAGE);
  std::stringstream page;
  page << file.rdbuf();
  std::vector<std::string_view> seen;
  for (const Code* code : kCodes) {
    EXPECT_EQ(std::count(seen.begin(), seen.end(), code->code), 0) << code->code;
    seen.push_back(code->code);
    const std::string row = "| " + std::string(code->code) + " | " +
                            (code->severity == Severity::problem ? "problem" : "warning") + " | " +
                            std::string(code->title) + " |";
    EXPECT_THAT(page.str(), HasSubstr(row));
  }
}

}  // namespace ripieno::tools::doctor
