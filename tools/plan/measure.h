// Measures this host's CPU with the job itself, for a few seconds.
#pragma once

#include "ripieno/tools/plan/configured_job.h"
#include "ripieno/tools/plan/forecast.h"

namespace ripieno::tools::plan {

// Measures a step of the job's model on random data, without communication, on as many threads of
// this process as the question has ranks on a host, each with the threads of a rank; and the speed
// of the host's memory. Sets them, the number of cores and the source in question.machine. Throws
// ConfigurationError if the models would take more than half of the host's free memory.
void measure_into(Question& question, const ConfiguredJob& configured);

}  // namespace ripieno::tools::plan
