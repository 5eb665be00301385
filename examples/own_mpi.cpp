// A program that uses MPI itself: its ranks form two groups, which train the same model with
// different learning rates, and then find the better one. Start it with mpirun -n 4 own_mpi.
#include <cstdio>

#include "ripieno/distributed/communicators/mpi/mpi.h"
#include "ripieno/ripieno.h"

using namespace ripieno;

// A session of the ranks of `group`. It neither initializes nor finalizes MPI.
double loss_after_training(MPI_Comm group, double learning_rate) {
  Session session(distributed::mpi(group));
  Tensor x({1024, 1});
  fill_uniform(x, -2.0, 2.0, {.seed = 1});
  MemoryLoader loader(x, sin(x * 2.0), {.batch_size = 64, .order = io::shuffled(1024, 1)}, session);
  nn::Sequential model{nn::Linear(1, 32, {.activation = Activation::kGelu}), nn::Linear(32, 1)};
  optim::AdamW optimizer(model.parameters(), {.learning_rate = learning_rate});
  DataParallel parallel(model, optimizer, session.communicator());
  for (int step = 1; step <= 200; ++step) {
    const io::Batch batch = loader.next();
    const Tensor error = model(batch.inputs) - batch.targets;
    const auto count = static_cast<double>(error.elements());
    parallel.backward({sum(square(error)), Tensor::full({}, count)});
    parallel.step();
  }
  return parallel.loss().mean();  // of all ranks of the group
}  // whatever uses the communicator is destroyed before MPI_Finalize

int search(int argc, char** argv) {
  int provided = 0, rank = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int color = rank % 2;
  MPI_Comm group;
  MPI_Comm_split(MPI_COMM_WORLD, color, rank, &group);

  const double learning_rate = color == 0 ? 1e-2 : 1e-4;
  struct {
    double loss;
    int rank;
  } mine{loss_after_training(group, learning_rate), rank}, best{};
  if (rank < 2) std::printf("learning rate %g: loss %.9g\n", learning_rate, mine.loss);
  MPI_Allreduce(&mine, &best, 1, MPI_DOUBLE_INT, MPI_MINLOC, MPI_COMM_WORLD);
  if (rank == 0) std::printf("the group of rank %d is better\n", best.rank);

  MPI_Comm_free(&group);
  MPI_Finalize();
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return search(argc, argv); });
}
