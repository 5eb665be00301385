// checkpoint_write: the speed of saving a state, compared with writing the same bytes raw: as many
// files of the same sizes, with the shards written concurrently, O_DIRECT and fdatasync.
//
//   checkpoint_write --directory /scratch/bench --bytes 1500000000 --ranks 1 2
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "program.h"
#include "ripieno/core/error.h"
#include "ripieno/core/random.h"
#include "ripieno/io/checkpoint/background_save.h"
#include "ripieno/io/checkpoint/checkpoint.h"

namespace {

using namespace ripieno;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::string directory = ".";
  int64_t bytes = 1'500'000'000;
  std::vector<int> ranks = {1, 2};
  int tensors = 450;  // like GPT-2 124M with the two moments of AdamW
  int rounds = 5;
};

// Random values, because storage may be faster on zeros.
io::State random_state(int64_t bytes, int tensors) {
  io::State state;
  const int64_t count = bytes / 4 / tensors;
  for (int i = 0; i < tensors; ++i) {
    Tensor numbers({count}, DType::float32);
    fill_normal(numbers, 0.0, 1.0, {.stream = static_cast<uint64_t>(i)});
    const std::string name = "tensor_" + std::to_string(i);
    state.push_back(io::state_of(name, io::StateKind::parameter, numbers));
  }
  return state;
}

int64_t bytes_of(const io::State& state) {
  int64_t bytes = 0;
  for (const auto& tensor : state) bytes += static_cast<int64_t>(tensor.part.bytes());
  return bytes;
}

void on_each_rank(int ranks, const std::function<void(int)>& action) {
  std::vector<std::jthread> threads;
  for (int rank = 1; rank < ranks; ++rank) threads.emplace_back(action, rank);
  action(0);
}

void require(bool succeeded, const std::string& path) {
  if (!succeeded) throw StorageError(path + ": " + std::strerror(errno));
}

// The fastest way to write: aligned writes from aligned memory.
void write_raw(const std::string& path, const std::byte* memory, int64_t bytes) {
  constexpr int64_t kWriteBytes = 8 << 20;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_DIRECT, 0666);
  require(file >= 0, path);
  for (int64_t at = 0; at < bytes;) {
    const int64_t count = std::min(kWriteBytes, bytes - at);
    const auto written = ::pwrite(file, memory + at, static_cast<std::size_t>(count), at);
    require(written == count, path);
    at += written;
  }
  require(::fdatasync(file) == 0, path);
  ::close(file);
}

class Benchmark {
 public:
  explicit Benchmark(const Arguments& arguments)
      : arguments_(arguments),
        directory_(arguments.directory + "/checkpoint_write"),
        state_(random_state(arguments.bytes, arguments.tensors)) {}

  void measure(int ranks) {
    savers_.clear();
    savers_.resize(static_cast<std::size_t>(ranks));
    save(ranks);
    lay_out_raw_files();
    std::vector<Times> raw, saved;
    for (int round = -1; round < arguments_.rounds; ++round) {  // one warmup round
      // The order alternates, because a disk may favor the first of two writes.
      Times raw_times, save_times;
      if (round % 2 == 0) raw_times = times_of([&] { write_raw_files(ranks); });
      save_times = times_of([&] { save(ranks); });
      if (round % 2 != 0) raw_times = times_of([&] { write_raw_files(ranks); });
      if (round < 0) continue;
      raw.push_back(raw_times);
      saved.push_back(save_times);
    }
    print(ranks, raw, saved);
  }

 private:
  static constexpr int64_t kAlignment = 4096;

  // A file of a checkpoint; `begin` is the offset of its bytes in memory_.
  struct RawFile {
    std::string name;
    int64_t begin, bytes;
  };

  // The files of the saved checkpoint, shards first, with sizes rounded up to the alignment.
  void lay_out_raw_files() {
    const auto& files = io::local_files();
    const std::string saved = directory_ + "/step_00000001";
    raw_files_.clear();
    int64_t end = 0;
    for (const auto& name : files.names_in(saved)) {
      const int64_t bytes =
          (files.open(saved + "/" + name)->size() + kAlignment - 1) / kAlignment * kAlignment;
      raw_files_.push_back({name, end, bytes});
      end += bytes;
    }
    std::stable_partition(raw_files_.begin(), raw_files_.end(),
                          [](const RawFile& file) { return file.name.starts_with("shard"); });
    memory_.reset(
        static_cast<std::byte*>(std::aligned_alloc(kAlignment, static_cast<std::size_t>(end))));
    std::memset(memory_.get(), 1, static_cast<std::size_t>(end));
    int64_t at = 0;
    for (const auto& tensor : state_) {
      std::memcpy(memory_.get() + at, tensor.part.raw_data(), tensor.part.bytes());
      at += static_cast<int64_t>(tensor.part.bytes());
    }
  }

  void write_raw_files(int ranks) {
    io::local_files().make_directories(directory_);
    const auto write = [&](std::size_t i) {
      const RawFile& file = raw_files_[i];
      write_raw(directory_ + "/" + file.name, memory_.get() + file.begin, file.bytes);
    };
    on_each_rank(ranks, [&](int rank) { write(static_cast<std::size_t>(rank)); });
    for (auto i = static_cast<std::size_t>(ranks); i < raw_files_.size(); ++i) write(i);
  }

  // Like a run, with one saver per rank, which reuses the layout of its files.
  void save(int ranks) {
    on_each_rank(ranks, [&](int rank) {
      auto& saver = savers_[static_cast<std::size_t>(rank)];
      if (saver == nullptr)
        saver = std::make_unique<io::BackgroundSaver>(io::local_files(), directory_);
      saver->start(1, io::share_of(state_, rank, ranks), nlohmann::json::object(),
                   {.rank = rank, .size = ranks, .attempt = std::to_string(attempt_)}, {},
                   io::BackgroundSaver::Copy::no);
      const auto ended = saver->wait();
      if (!ended->failure.empty()) throw StorageError(ended->failure);
    });
    ++attempt_;
  }

  struct Times {
    double seconds = 0;
    double processor_seconds = 0;  // of all threads: time that a save takes from training
  };

  // Measures `action` with an empty directory and an idle disk.
  Times times_of(const std::function<void()>& action) {
    io::local_files().remove_all(directory_);
    ::sync();
    const auto start = Clock::now();
    const std::clock_t processor_start = std::clock();
    action();
    const Times times = {std::chrono::duration<double>(Clock::now() - start).count(),
                         static_cast<double>(std::clock() - processor_start) / CLOCKS_PER_SEC};
    io::local_files().remove_all(directory_);
    return times;
  }

  template <typename Of>
  static double median(const std::vector<Times>& times, Of of) {
    std::vector<double> values;
    for (const Times& one : times) values.push_back(of(one));
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
  static double seconds(const Times& times) { return times.seconds; }
  static double processor_seconds(const Times& times) { return times.processor_seconds; }

  void print(int ranks, const std::vector<Times>& raw, const std::vector<Times>& saved) const {
    const auto bytes = static_cast<double>(bytes_of(state_));
    std::cout << nlohmann::ordered_json{{"benchmark", "checkpoint_write"},
                                        {"ranks", ranks},
                                        {"bytes", bytes_of(state_)},
                                        {"rounds", arguments_.rounds},
                                        {"value", bytes / median(saved, seconds) / 1e9},
                                        {"limit", bytes / median(raw, seconds) / 1e9},
                                        {"limited_by",
                                         "raw writing: the same files, O_DIRECT, 8 MiB, fdatasync"},
                                        {"unit", "GB/s"},
                                        {"ratio", median(raw, seconds) / median(saved, seconds)},
                                        {"processor_seconds", median(saved, processor_seconds)},
                                        {"processor_seconds_raw", median(raw, processor_seconds)}}
              << std::endl;
  }

  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  const Arguments& arguments_;
  const std::string directory_;
  const io::State state_;
  std::vector<RawFile> raw_files_;
  std::unique_ptr<std::byte[], Free> memory_;
  std::vector<std::unique_ptr<io::BackgroundSaver>> savers_;  // by rank
  int attempt_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures saving a checkpoint and raw writing of the same bytes alternately.");
  Arguments arguments;
  app.add_option("--directory", arguments.directory, "directory on the disk to measure")
      ->check(CLI::ExistingDirectory);
  app.add_option("--bytes", arguments.bytes, "size of the whole state")->check(CLI::PositiveNumber);
  app.add_option("--ranks", arguments.ranks, "numbers of ranks (threads) that save, one shard each")
      ->check(CLI::PositiveNumber);
  app.add_option("--tensors", arguments.tensors)->check(CLI::PositiveNumber);
  app.add_option("--rounds", arguments.rounds)->check(CLI::PositiveNumber);
  return benchmarks::run_benchmark(app, argc, argv, [&] {
    Benchmark benchmark(arguments);
    for (const int ranks : arguments.ranks) benchmark.measure(ranks);
  });
}
