// checkpoint_read: the speed of loading and verifying a checkpoint that is not in the page cache,
// compared with reading the same files raw.
//
//   checkpoint_read --directory /scratch/bench --saved-by 1 2 --loaded-by 1 2
#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
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
#include "ripieno/io/checkpoint/checkpoint.h"

namespace {

using namespace ripieno;
using Clock = std::chrono::steady_clock;

constexpr int64_t kBlockBytes = 4 << 20;
constexpr int64_t kAlignment = 4096;

struct Arguments {
  std::string directory = ".";
  int64_t bytes = 1'500'000'000;
  std::vector<int> saved_by = {1, 2}, loaded_by = {1, 2};
  int tensors = 450;  // like GPT-2 124M with the two moments of AdamW
  int rounds = 5;
  int threads = 4;  // of raw reading, in total
  bool whole = false;
};

io::State blank_state(int64_t bytes, int tensors) {
  io::State state;
  for (int i = 0; i < tensors; ++i) {
    const Tensor numbers = Tensor::zeros({bytes / 4 / tensors});
    state.push_back(io::state_of("tensor_" + std::to_string(i), io::StateKind::parameter, numbers));
  }
  return state;
}

void on_each_rank(int ranks, const std::function<void(int)>& action) {
  std::vector<std::jthread> threads;
  for (int rank = 1; rank < ranks; ++rank) threads.emplace_back(action, rank);
  action(0);
}

void require(bool succeeded, const std::string& path) {
  if (!succeeded) throw StorageError(path + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) : number_(::open(path.c_str(), flags)) {
    require(number_ >= 0, path);
  }
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Block = std::unique_ptr<std::byte[], Free>;

// The files of one saved state, and measurements of reading them with a cold cache.
class Benchmark {
 public:
  Benchmark(const Arguments& arguments, int saved_by)
      : arguments_(arguments),
        saved_by_(saved_by),
        directory_(arguments.directory + "/checkpoint_read"),
        state_(blank_state(arguments.bytes, arguments.tensors)) {
    io::State random = state_;
    for (auto& tensor : random) fill_normal(tensor.part, 0.0, 1.0, {});
    on_each_rank(saved_by, [&](int rank) {
      io::save_checkpoint(io::local_files(), directory_, 1, io::share_of(random, rank, saved_by),
                          nlohmann::json::object(),
                          {.rank = rank, .size = saved_by, .attempt = "first"});
    });
    path_ = io::candidates_in(io::local_files(), directory_).front();
    for (const auto& name : io::local_files().names_in(path_)) paths_.push_back(path_ + "/" + name);
  }
  ~Benchmark() { io::local_files().remove_all(directory_); }

  void measure(int ranks) {
    std::vector<double> direct, cached, loaded;
    for (int round = -1; round < arguments_.rounds; ++round) {  // one warmup round
      const double direct_seconds = seconds_of([&] { read_raw(O_DIRECT); });
      const double loaded_seconds = seconds_of([&] { load(ranks); });
      const double cached_seconds = seconds_of([&] { read_raw(0); });
      if (round < 0) continue;
      direct.push_back(direct_seconds);
      loaded.push_back(loaded_seconds);
      cached.push_back(cached_seconds);
    }
    print(ranks, direct, cached, loaded);
  }

 private:
  // Reads all files in blocks; each thread takes the next block.
  void read_raw(int flags) const {
    std::vector<std::pair<const std::string*, int64_t>> blocks;
    for (const auto& path : paths_) {
      const int64_t size = io::local_files().open(path)->size();
      for (int64_t at = 0; at < size; at += kBlockBytes) blocks.emplace_back(&path, at);
    }
    std::atomic<std::size_t> next = 0;
    on_each_rank(arguments_.threads, [&](int) {
      const Block block(static_cast<std::byte*>(std::aligned_alloc(kAlignment, kBlockBytes)));
      std::unique_ptr<Descriptor> file;
      const std::string* opened = nullptr;
      for (std::size_t i = next++; i < blocks.size(); i = next++) {
        const auto& [path, at] = blocks[i];
        if (path != opened) file = std::make_unique<Descriptor>(*path, O_RDONLY | flags);
        opened = path;
        require(::pread(file->get(), block.get(), kBlockBytes, at) > 0, *path);
      }
    });
  }

  void load(int ranks) const {
    const auto checkpoint = io::Checkpoint::open(io::local_files(), path_);
    on_each_rank(ranks, [&](int rank) {
      const auto wanted = arguments_.whole ? state_ : io::share_of(state_, rank, ranks);
      checkpoint.load(wanted, {.verification_part = io::Part{rank, ranks},
                               .reading = {.threads = std::max(1, arguments_.threads / ranks)}});
    });
  }

  // Measures `action` after removing the files from the page cache.
  double seconds_of(const std::function<void()>& action) const {
    ::sync();
    for (const auto& path : paths_) {
      const Descriptor file(path, O_RDONLY);
      require(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0, path);
    }
    const auto start = Clock::now();
    action();
    return std::chrono::duration<double>(Clock::now() - start).count();
  }

  static double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }
  static double median_of_ratios(const std::vector<double>& raw,
                                 const std::vector<double>& loaded) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < raw.size(); ++i) ratios.push_back(raw[i] / loaded[i]);
    return median(ratios);
  }

  void print(int ranks, const std::vector<double>& direct, const std::vector<double>& cached,
             const std::vector<double>& loaded) const {
    const int64_t bytes = io::Checkpoint::open(io::local_files(), path_).bytes();
    const auto rate = [&](const std::vector<double>& seconds) {
      return static_cast<double>(bytes) / median(seconds) / 1e9;
    };
    std::cout << nlohmann::ordered_json{{"benchmark", "checkpoint_read"},
                                        {"saved_by", saved_by_},
                                        {"loaded_by", ranks},
                                        {"whole_on_each", arguments_.whole},
                                        {"bytes", bytes},
                                        {"rounds", arguments_.rounds},
                                        {"threads", arguments_.threads},
                                        {"value", rate(loaded)},
                                        {"raw_direct", rate(direct)},
                                        {"raw_cached", rate(cached)},
                                        {"unit", "GB/s"},
                                        {"ratio_to_direct", median_of_ratios(direct, loaded)},
                                        {"ratio_to_cached", median_of_ratios(cached, loaded)}}
              << std::endl;
  }

  const Arguments& arguments_;
  const int saved_by_;
  const std::string directory_;
  const io::State state_;
  std::string path_;
  std::vector<std::string> paths_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures loading a checkpoint and raw reading of its files alternately.");
  Arguments arguments;
  app.add_option("--directory", arguments.directory, "directory on the disk to measure")
      ->check(CLI::ExistingDirectory);
  app.add_option("--bytes", arguments.bytes, "size of the whole state")->check(CLI::PositiveNumber);
  app.add_option("--saved-by", arguments.saved_by, "numbers of ranks that save, one shard each")
      ->check(CLI::PositiveNumber);
  app.add_option("--loaded-by", arguments.loaded_by,
                 "numbers of ranks (threads) that load one share each")
      ->check(CLI::PositiveNumber);
  app.add_flag("--whole", arguments.whole, "each rank loads the whole state instead of a share");
  app.add_option("--tensors", arguments.tensors)->check(CLI::PositiveNumber);
  app.add_option("--rounds", arguments.rounds)->check(CLI::PositiveNumber);
  app.add_option("--threads", arguments.threads, "number of reading threads, over all ranks")
      ->check(CLI::PositiveNumber);
  return benchmarks::run_benchmark(app, argc, argv, [&] {
    for (const int saved_by : arguments.saved_by) {
      Benchmark benchmark(arguments, saved_by);
      for (const int ranks : arguments.loaded_by) benchmark.measure(ranks);
    }
  });
}
