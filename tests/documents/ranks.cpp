// file: ranks.cpp
#include <ripieno/ripieno.h>

#include <cstdio>

using namespace ripieno;

int check(int argc, char** argv) {
  Session session(argc, argv);
  session.release_signals();  // there is nothing to save
  const Tensor ones = Tensor::full({1}, 1.0, DType::float32, session.device());
  session.communicator().all_reduce(ones);
  if (session.rank() != 0) return 0;
  for (std::size_t rank = 0; rank < session.hosts().size(); ++rank)
    std::printf("rank %zu: %s, %s\n", rank, session.hosts()[rank].c_str(),
                session.devices()[rank].c_str());
  std::printf("%g of %d ranks took part\n", ones.item(), session.size());
  return 0;
}

int main(int argc, char** argv) {
  return run_program([&] { return check(argc, argv); });
}
