// on_every_rank: runs a function on each rank of an in-process group, one thread per rank.
#pragma once

#include <exception>
#include <thread>
#include <vector>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed::testing {

// Calls body(Communicator&) on every rank. Rethrows an exception of a rank, preferring others over
// CommunicationFailure, which is usually a consequence.
template <typename Body>
void on_every_rank(int size, const Body& body) {
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (auto& communicator : in_process(size)) {
    threads.emplace_back([&body, &failures, mine = std::move(communicator)]() mutable {
      const auto rank = static_cast<std::size_t>(mine->rank());
      try {
        const auto ranks = std::move(mine);  // destroyed with the scope, also by an exception
        body(*ranks);
      } catch (...) {
        failures[rank] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  std::exception_ptr consequence;
  for (const std::exception_ptr& failure : failures) {
    try {
      if (failure) std::rethrow_exception(failure);
    } catch (const CommunicationFailure&) {
      consequence = failure;
    }
  }
  if (consequence) std::rethrow_exception(consequence);
}

}  // namespace ripieno::distributed::testing
