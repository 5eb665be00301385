// Trains an MLP, a LeNet or a ResNet to classify images: train_image_classifier --config
// examples/configs/digits.toml
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "ripieno/ripieno.h"

namespace {

using namespace ripieno;

struct Settings {
  TrainingProgram program;
  ImageModelSettings model;
  std::string path;

  Settings() {
    model.bind(program.settings);
    program.settings.add("data.path", &path,
                         "path of an HDF5 file with the data sets images and labels; required");
  }
};

// The number of rows of `logits` (rows, classes) whose largest value is at the index of the label.
int64_t count_correct(const Tensor& logits, const Tensor& labels) {
  const auto scores = logits.to_vector<float>();
  const auto expected = labels.to_vector<int32_t>();
  const auto classes = static_cast<std::ptrdiff_t>(logits.size(1));
  int64_t correct = 0;
  for (std::size_t row = 0; row < expected.size(); ++row) {
    const auto first = scores.begin() + static_cast<std::ptrdiff_t>(row) * classes;
    correct += std::max_element(first, first + classes) - first == expected[row];
  }
  return correct;
}

int train(int argc, char** argv) {
  Settings settings;
  const TrainingProgram& program = settings.program;
  Session session(argc, argv);
  if (!settings.program.start(session, "Trains a network to classify images.", stdout)) return 0;

  std::unique_ptr<io::ImageLoader> loader;
  session.together([&] {
    require_given("data.path", settings.path);
    loader = std::make_unique<io::ImageLoader>(
        settings.path,
        io::ImageLoaderOptions{.batch_size = program.options.batch_size, .seed = program.seed()},
        session);
  });
  const DataShape shape = data_shape_of(loader->data().images, loader->data().classes());
  const std::unique_ptr<nn::Module> built = settings.model.build(shape);
  nn::Module& model = *built;
  const auto logits_of = [&](const Tensor& images) {
    return model(settings.model.inputs_of(images, shape));
  };
  model.to(session.device(), program.options.precision);
  const auto optimizer = program.make_optimizer(model.parameters());
  DataParallel parallel(model, *optimizer, session.communicator(), program.parallel_options());

  Run run(program.command.run_directory, session, model, *optimizer, *loader,
          program.run_options(parallel));
  run.validate_with([&](const io::Batch& batch) {
    const Tensor logits = logits_of(batch.inputs);
    return Measured{cross_entropy(logits, batch.targets),
                    count_correct(logits.to(DType::float32), batch.targets)};
  });
  StepGraph graph(parallel, program.graph_options());
  while (const auto batch = run.next()) {
    graph.run(*batch, [&](const io::Batch& rows) {
      parallel.backward(rows.inputs.size(0), [&](int64_t begin, int64_t end) {
        return cross_entropy(logits_of(rows.inputs.slice(0, begin, end)),
                             rows.targets.slice(0, begin, end));
      });
      parallel.step();
    });
    run.log();
  }
  return run.exit_status();
}

}  // namespace

int main(int argc, char** argv) {
  return ripieno::run_program([&] { return train(argc, argv); });
}
