// The snippets of docs/read_your_own_data.md.
#include <ripieno/ripieno.h>

#include <memory>
#include <string>

#include "documents/expect.h"

class Sequences final : public ripieno::io::Dataset {
 public:
  int64_t size() const override { return 1000; }
  ripieno::io::SampleLayout layout() const override {
    return {.inputs = {{3}, ripieno::DType::int32},  // (rows, 3) in a batch
            .targets = {{3}, ripieno::DType::int32},
            .extras = {{"lengths", {{}, ripieno::DType::int64}}}};
  }
  void read(int64_t index, const ripieno::io::SampleRow& into) const override {
    for (auto& token : into.inputs<int32_t>()) token = static_cast<int32_t>(index % 7);
    for (auto& token : into.targets<int32_t>()) token = static_cast<int32_t>((index + 1) % 7);
    into.extra<int64_t>("lengths")[0] = 3;
  }
  std::string fingerprint() const override { return "sequences"; }
};

// Each row of y is read once per epoch, by one of the ranks.
void read_tensors(ripieno::Session& session, const ripieno::Tensor& x, const ripieno::Tensor& y) {
  ripieno::io::MemoryLoader loader(
      x, y, {.batch_size = 32, .order = ripieno::io::shuffled(x.size(0), /*seed=*/1)}, session);
  std::vector<int64_t> times(static_cast<std::size_t>(y.size(0)));
  for (int64_t step = 0; step < y.size(0) / 32; ++step) {
    const auto batch = loader.next();
    session.require_whole_batch(batch);
    const auto read = batch.targets.to_vector<int32_t>();
    for (std::size_t row = 0; row < read.size(); ++row) {
      ++times[static_cast<std::size_t>(read[row])];
      ripieno::expect(batch.inputs.to_vector<float>()[row] == 2.0f * static_cast<float>(read[row]),
                      "the row of x belongs to that of y");
    }
  }
  const auto counts = ripieno::Tensor::of<int64_t>({y.size(0)}, times);
  session.communicator().all_reduce(counts);
  for (const int64_t count : counts.to_vector<int64_t>())
    ripieno::expect(count == 1, "each sample is read once");
}

void read_sequences(ripieno::Session& session) {
  const auto data = std::make_shared<const Sequences>();
  ripieno::io::BatchLoader loader(
      data, {.batch_size = 64, .order = ripieno::io::shuffled(data->size(), 1), .threads = 2},
      session);
  const auto batch = loader.next();
  const auto& lengths = batch.extra("lengths");
  session.require_whole_batch(batch);
  const int64_t rows = batch.inputs.size(0);
  ripieno::expect(batch.global_rows == 64, "a batch has 64 rows");
  ripieno::expect(batch.inputs.shape() == ripieno::Shape{rows, 3}, "inputs are (rows, 3)");
  ripieno::expect(lengths.to_vector<int64_t>() == std::vector<int64_t>(rows, 3), "lengths are 3");
  const auto inputs = batch.inputs.to_vector<int32_t>(),
             targets = batch.targets.to_vector<int32_t>();
  for (std::size_t i = 0; i < inputs.size(); ++i)
    ripieno::expect(targets[i] == (inputs[i] + 1) % 7, "targets follow inputs");
}

int read(int argc, char** argv) {
  ripieno::Session session(argc, argv);
  session.release_signals();
  ripieno::Tensor x({96, 1}), y({96}, ripieno::DType::int32);
  for (int32_t i = 0; i < 96; ++i) {
    y.data<int32_t>()[i] = i;
    x.data<float>()[i] = 2.0f * static_cast<float>(i);
  }
  read_tensors(session, x, y);
  read_sequences(session);
  return 0;
}

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return read(argc, argv); });
}
