// Random programs of public calls: what a program may pass must be refused or accepted, never
// crash. Build with the preset asan, where every access of memory is checked, also by emulated
// kernels. RIPIENO_FUZZ_SECONDS=600 runs other programs for that time instead of the same few;
// RIPIENO_FUZZ_SEED=<seed> runs one.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>

#include "fuzz/calls/program.h"

namespace ripieno::fuzz {
namespace {

constexpr int kCallsPerProgram = 60;

std::optional<uint64_t> environment(const char* name) {
  const char* const value = std::getenv(name);
  return value ? std::optional<uint64_t>(std::strtoull(value, nullptr, 10)) : std::nullopt;
}

struct Counts {
  int accepted = 0, refused = 0;
};

Counts run(uint64_t seed) {
  // The last line of the output if a sanitizer or a signal ends the process.
  std::fprintf(stderr, "\rRIPIENO_FUZZ_SEED=%llu ", static_cast<unsigned long long>(seed));
  Program program(seed);
  EXPECT_NO_THROW(program.run(kCallsPerProgram)) << "RIPIENO_FUZZ_SEED=" << seed;
  return {program.accepted(), program.refused()};
}

TEST(RandomCalls, ReturnOrThrowError) {
  if (const auto seed = environment("RIPIENO_FUZZ_SEED")) {
    run(*seed);
    return;
  }
  if (const auto seconds = environment("RIPIENO_FUZZ_SECONDS")) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(*seconds);
    std::random_device entropy;
    int programs = 0;
    for (; std::chrono::steady_clock::now() < end && !HasFailure(); ++programs) run(entropy());
    std::printf("%d programs\n", programs);
    return;
  }
  Counts counts;
  for (uint64_t seed = 0; seed < 150; ++seed) {
    const auto [accepted, refused] = run(seed);
    counts.accepted += accepted;
    counts.refused += refused;
  }
  // Otherwise the arguments are too wild, or too tame.
  EXPECT_GT(counts.accepted, 1000);
  EXPECT_GT(counts.refused, 1000);
}

}  // namespace
}  // namespace ripieno::fuzz
