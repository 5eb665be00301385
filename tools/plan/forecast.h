// Forecast: what a job costs on a number of ranks: memory, time, money.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ripieno/tools/plan/communication.h"
#include "ripieno/tools/plan/compute.h"
#include "ripieno/tools/plan/job.h"
#include "ripieno/tools/plan/machine.h"
#include "ripieno/tools/plan/memory.h"

namespace ripieno::tools::plan {

// What is asked: the job, where it runs, on how many ranks.
struct Question {
  Job job;
  Machine machine;
  int ranks = 1;
  int ranks_per_host = 1;
  double price_per_hour = 0;  // of a GPU, or of a CPU's host; 0: unknown
};

struct StepSeconds {
  double forward = 0, backward = 0, communication = 0, optimizer = 0, data = 0, checkpoint = 0;

  double total() const {
    return forward + backward + communication + optimizer + data + checkpoint;
  }
};

struct Forecast {
  Placement placement;
  int64_t micro_rows = 0, micro_batches = 0;
  std::size_t bucket_bytes = 0;
  Memory memory;
  int64_t host_bytes = 0;    // of its host's memory that a rank takes, with program and libraries
  int64_t memory_limit = 0;  // of a rank; 0: unknown
  Flops flops;               // of a sample
  StepSeconds seconds;
  CommunicationSeconds communication;
  double units_per_second = 0;    // tokens or samples, of all ranks
  double utilization = 0;         // of the peak, by the arithmetic of the model; 0: unknown
  double validation_seconds = 0;  // of all validations
  double days = 0;
  double money = 0;

  bool fits() const { return memory_limit == 0 || memory.total() <= memory_limit; }
};

Forecast forecast(const Question& question);

}  // namespace ripieno::tools::plan
