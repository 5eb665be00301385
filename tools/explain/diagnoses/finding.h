// Finding: one thing that is wrong with a run. Diagnosis: a kind of thing that can be, with the
// pure function that finds it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ripieno/tools/explain/run/failures.h"
#include "ripieno/tools/explain/run/run_facts.h"

namespace ripieno::tools::explain {

// What a diagnosis is about, the gravest first.
enum class Stage {
  failure,  // a rank failed
  stall,    // the run does not proceed
  caution,  // numbers or checkpoints are not as they should be
  slow,     // the run takes longer than it has to
};

struct Finding {
  std::string_view code = {};  // "R-MEM-01", of its diagnosis
  Stage stage = Stage::failure;
  Role role = Role::root;
  std::vector<int> ranks = {};  // empty: the run as a whole
  std::string host = {};
  std::string phase = {};
  std::string text = {};    // a sentence without a period
  std::string remedy = {};  // that of its diagnosis unless it has one of its own
  double time = 0;          // seconds since 1970; 0: unknown
};

struct Diagnosis {
  std::string_view code, title;
  Stage stage;
  std::string_view remedy;
  // Fills in everything but code, stage and, mostly, remedy.
  std::vector<Finding> (*find)(const RunFacts& run);
};

// One function for each family, in a file of its name.
std::span<const Diagnosis> memory_diagnoses();
std::span<const Diagnosis> host_diagnoses();
std::span<const Diagnosis> hang_diagnoses();
std::span<const Diagnosis> network_diagnoses();
std::span<const Diagnosis> data_diagnoses();
std::span<const Diagnosis> checkpoint_diagnoses();
std::span<const Diagnosis> number_diagnoses();
std::span<const Diagnosis> program_diagnoses();
std::span<const Diagnosis> slow_diagnoses();
std::span<const Diagnosis> end_diagnoses();

}  // namespace ripieno::tools::explain
