// all_reduce: how long the ranks of a job take to sum a tensor, by our communicators and by MPI's
// own.
//
//   mpirun -n 2 all_reduce --bytes 4 65536 4194304 67108864
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "ripieno/distributed/mpi.h"
#include "ripieno/distributed/mpi_communicator.h"
#include "ripieno/distributed/mpi_world.h"

namespace {

using namespace ripieno;
using Clock = std::chrono::steady_clock;
using Reduce = std::function<void(const Tensor&)>;

struct Contender {
  std::string name;
  Reduce reduce;
};

// The longest that any rank took: MPI's sum of such times would hide a straggler.
double slowest(double seconds) {
  double result = 0.0;
  MPI_Allreduce(&seconds, &result, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return result;
}

std::vector<double> times(const Reduce& reduce, const Tensor& x, int rounds) {
  std::vector<double> result;
  for (int round = -2; round < rounds; ++round) {  // two to warm up
    x.detach().fill(1.0);
    MPI_Barrier(MPI_COMM_WORLD);
    const auto start = Clock::now();
    reduce(x);
    const double seconds = slowest(std::chrono::duration<double>(Clock::now() - start).count());
    if (round >= 0) result.push_back(seconds);
  }
  std::sort(result.begin(), result.end());
  return result;
}

void measure(const Contender& contender, int64_t bytes, int rounds) {
  const Tensor x({std::max<int64_t>(bytes / 4, 1)});
  const std::vector<double> seconds = times(contender.reduce, x, rounds);
  int rank = 0, size = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (rank > 0) return;
  std::cout << nlohmann::ordered_json{{"benchmark", "all_reduce"},
                                      {"workload", contender.name},
                                      {"device", "cpu"},
                                      {"dtype", "f32"},
                                      {"ranks", size},
                                      {"bytes", x.bytes()},
                                      {"value", seconds[seconds.size() / 2] * 1e3},
                                      {"fastest", seconds.front() * 1e3},
                                      {"unit", "ms"}}
            << std::endl;
}

void all_reduce_by_mpi(const Tensor& x) {
  MPI_Allreduce(MPI_IN_PLACE, x.raw_data(), static_cast<int>(x.elements()), MPI_FLOAT, MPI_SUM,
                MPI_COMM_WORLD);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times sums over the ranks of a job; run it under mpirun.");
  std::vector<int64_t> sizes = {4, 4096, 65536, 1 << 20, 4 << 20, 16 << 20, 64 << 20};
  int rounds = 20;
  app.add_option("--bytes", sizes, "Sizes of the tensor")->check(CLI::PositiveNumber);
  app.add_option("--rounds", rounds)->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);

  const distributed::MpiEnvironment mpi;
  const auto world = distributed::mpi_world();
  const auto messages = distributed::mpi_point_to_point(MPI_COMM_WORLD);
  const std::vector<Contender> contenders = {
      {"chosen", [&](const Tensor& x) { world->all_reduce(x); }},
      {"messages", [&](const Tensor& x) { messages->all_reduce(x); }},
      {"mpi", all_reduce_by_mpi}};
  for (const int64_t bytes : sizes) {
    for (const Contender& contender : contenders) measure(contender, bytes, rounds);
  }
}
