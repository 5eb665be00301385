// Learns y = 3 x, and prints whether it did.
#include <core/tensor.h>
#include <ripieno/ripieno.h>

#include <cmath>
#include <iostream>

static_assert(kIsOfAnotherProject, "our headers are found only under ripieno/");

int main(int argc, char** argv) {
  ripieno::Session session(argc, argv);
  ripieno::nn::Linear line(1, 1);
  ripieno::optim::Sgd optimizer(line.parameters(), {.learning_rate = 0.05});
  ripieno::DataParallel parallel(line, optimizer, session.communicator());
  const auto x = ripieno::Tensor::of<float>({4, 1}, {-1, 0, 1, 2});
  const auto y = ripieno::Tensor::of<float>({4, 1}, {-3, 0, 3, 6});
  double error = 0;
  for (int step = 0; step < 500; ++step) {
    const auto difference = line(x) - y;
    const auto sum = ripieno::sum(difference * difference);
    error = sum.item();
    parallel.backward({sum, ripieno::Tensor::full({}, 4)});
    parallel.step();
  }
  std::cout << "error " << error << (error < 1e-6 ? ", learned" : ", did not learn") << "\n";
}
