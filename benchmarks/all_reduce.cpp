// all_reduce: the time to sum a tensor over the ranks of a job, with Ripieno's communicators and
// with MPI_Allreduce, compared with the limit of the memory of a host or of the link between hosts.
//
//   mpirun -n 2 all_reduce --bytes 4 65536 4194304 67108864
//   mpirun --host h1,h2 all_reduce --bytes 16777216 --link-gigabits 1
//
// The memory limit assumes a pass for the sum and another for the copy; "shared" does both in one
// pass, so its ratio can exceed 1. The methods are measured alternately: "shared" for tensors in
// shared memory, like gradients; "chosen" for tensors elsewhere; "messages" without a shared memory
// window; "mpi" for MPI_Allreduce.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "program.h"
#include "ripieno/core/tensor_implementation.h"
#include "ripieno/distributed/communicators/mpi/mpi.h"
#include "ripieno/distributed/communicators/mpi/mpi_communicator.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"
#include "ripieno/distributed/communicators/sum.h"

namespace {

using namespace ripieno;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

// Headers of an Ethernet frame with 1448 bytes of TCP payload: 14 bytes of Ethernet, 20 of IP, 32
// of TCP with timestamps.
constexpr double kHeaders = 1514.0 / 1448.0;

struct Contender {
  std::string name;
  std::function<void()> run;
  std::vector<double> seconds;
};

// The longest time of any rank; a mean would hide a straggler.
double slowest(double seconds) {
  double result = 0.0;
  MPI_Allreduce(&seconds, &result, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return result;
}

double time_of(const std::function<void()>& run) {
  MPI_Barrier(MPI_COMM_WORLD);
  const auto start = Clock::now();
  run();
  return slowest(std::chrono::duration<double>(Clock::now() - start).count());
}

double median(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return seconds[seconds.size() / 2];
}

Tensor tensor_in(MemoryResource* memory, int64_t elements) {
  const Tensor result =
      memory ? tensor_over(
                   allocate_storage(static_cast<std::size_t>(elements) * 4, Device::cpu(), *memory),
                   0, {elements}, {1}, DType::float32)
             : Tensor({elements});
  result.detach().fill(1.0);
  return result;
}

// The number of bytes that this host has sent over its network interfaces.
int64_t bytes_sent() {
  std::ifstream file("/proc/net/dev");
  int64_t result = 0;
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || line.substr(0, colon).ends_with("lo")) continue;
    std::istringstream fields(line.substr(colon + 1));
    int64_t field = 0;
    for (int i = 0; i < 9; ++i) fields >> field;  // the ninth: bytes sent
    result += field;
  }
  return result;
}

void all_reduce_by_mpi(const Tensor& x) {
  MPI_Allreduce(MPI_IN_PLACE, x.raw_data(), static_cast<int>(x.elements()), MPI_FLOAT, MPI_SUM,
                MPI_COMM_WORLD);
}

class Benchmark {
 public:
  Benchmark(int rounds, double link_gigabits)
      : world_(distributed::mpi_world()),
        messages_(distributed::mpi_point_to_point(MPI_COMM_WORLD)),
        rounds_(rounds),
        link_gigabits_(link_gigabits) {}

  void measure(int64_t bytes) {
    const int64_t elements = std::max<int64_t>(bytes / 4, 1);
    const auto memory = world_->shared_memory(static_cast<std::size_t>(elements) * 4);
    const Tensor x = tensor_in(nullptr, elements), y = tensor_in(nullptr, elements);
    const Tensor shared = tensor_in(memory.get(), elements);
    std::vector<Contender> contenders = {{"chosen", [&] { world_->all_reduce(x); }, {}},
                                         {"messages", [&] { messages_->all_reduce(x); }, {}},
                                         {"mpi", [&] { all_reduce_by_mpi(x); }, {}}};
    if (memory) contenders.insert(contenders.begin(), shared_contender(shared));
    // The slice of one rank, while all ranks do the same.
    const distributed::Slice slice = distributed::slice_of(elements, world_->rank(), size());
    Contender add{"add", [&] { add_slice(x, y, slice); }, {}};
    Contender copy{"copy", [&] { copy_slice(x, y, slice); }, {}};

    std::vector<Contender*> all = {&add, &copy};
    for (Contender& contender : contenders) all.push_back(&contender);
    sent_ = 0;
    for (int round = -2; round < rounds_; ++round) {  // two warmup rounds
      for (Contender* contender : all) {
        x.detach().fill(1.0);
        if (memory) shared.detach().fill(1.0);
        const int64_t before = bytes_sent();
        const double seconds = time_of(contender->run);
        if (round < 0) continue;
        contender->seconds.push_back(seconds);
        if (contender->name == "messages") sent_ += bytes_sent() - before;
      }
    }
    if (world_->rank() > 0) return;
    for (const Contender& contender : contenders) report(contender, x.bytes(), add, copy);
  }

 private:
  int size() const { return world_->size(); }

  Contender shared_contender(const Tensor& shared) {
    return {"shared", [&] { world_->all_reduce(shared); }, {}};
  }
  static void add_slice(const Tensor& x, const Tensor& y, distributed::Slice slice) {
    float* here = x.data<float>() + slice.begin;
    const void* parts[] = {here, y.data<float>() + slice.begin};
    distributed::sum_in_order(DType::float32, here, parts, slice.elements);
  }
  static void copy_slice(const Tensor& x, const Tensor& y, distributed::Slice slice) {
    std::memcpy(y.data<float>() + slice.begin, x.data<float>() + slice.begin,
                static_cast<std::size_t>(slice.elements) * 4);
  }

  void report(const Contender& contender, std::size_t bytes, const Contender& add,
              const Contender& copy) const {
    const double seconds = median(contender.seconds);
    Json line{
        {"benchmark", "all_reduce"},
        {"workload", contender.name},
        {"device", "cpu"},
        {"dtype", "f32"},
        {"ranks", size()},
        {"bytes", bytes},
        {"value", seconds * 1e3},
        {"fastest", *std::min_element(contender.seconds.begin(), contender.seconds.end()) * 1e3},
        {"unit", "ms"}};
    line["limit"] = link_gigabits_ > 0 ? limit_of_link(seconds, bytes)
                                       : limit_of_memory(seconds, bytes, add, copy);
    std::cout << line << std::endl;
  }

  Json limit_of_memory(double seconds, std::size_t bytes, const Contender& add,
                       const Contender& copy) const {
    const double others = size() - 1, slice = static_cast<double>(bytes) / size();
    const double add_seconds = median(add.seconds), copy_seconds = median(copy.seconds);
    const double limit = others * (add_seconds + copy_seconds);
    return {{"by", "memory"},
            {"formula", "(N-1) (time to add + time to copy n/N bytes), all ranks at once"},
            {"bytes_added", others * slice},
            {"bytes_copied", others * slice},
            {"add_gigabytes_a_second", slice / add_seconds / 1e9},
            {"copy_gigabytes_a_second", slice / copy_seconds / 1e9},
            {"ms", limit * 1e3},
            {"share", limit / seconds}};
  }

  Json limit_of_link(double seconds, std::size_t bytes) const {
    const double hosts = static_cast<double>(size()) / world_->local_size();
    const double sent = 2.0 * (hosts - 1) / hosts * static_cast<double>(bytes);
    const double limit = sent * kHeaders * 8 / (link_gigabits_ * 1e9);
    return {{"by", "link"},
            {"formula", "2 (H-1)/H n x 1514/1448 (headers) / rate, of H hosts"},
            {"hosts", hosts},
            {"bytes_sent", sent},
            {"bytes_counted_by_the_kernel_in_messages", static_cast<double>(sent_) / rounds_},
            {"link_gigabits", link_gigabits_},
            {"ms", limit * 1e3},
            {"share", limit / seconds}};
  }

  std::unique_ptr<distributed::Communicator> world_, messages_;
  int rounds_;
  double link_gigabits_;
  int64_t sent_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures sums over the ranks of a job. Run it under mpirun.");
  std::vector<int64_t> sizes = {4, 4096, 65536, 1 << 20, 4 << 20, 16 << 20, 64 << 20};
  int rounds = 20;
  double link_gigabits = 0;
  app.add_option("--bytes", sizes, "sizes of the tensor in bytes")->check(CLI::PositiveNumber);
  app.add_option("--rounds", rounds)->check(CLI::PositiveNumber);
  app.add_option(
      "--link-gigabits", link_gigabits,
      "bandwidth of a host in Gbit/s: report the limit of the link instead of the memory");
  return benchmarks::run_benchmark(app, argc, argv, [&] {
    const distributed::MpiEnvironment mpi;
    Benchmark benchmark(rounds, link_gigabits);
    for (const int64_t bytes : sizes) benchmark.measure(bytes);
  });
}
