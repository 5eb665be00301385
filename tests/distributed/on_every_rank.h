// on_every_rank: a body run by each rank of an in-process group, in a thread of its own.
#pragma once

#include <exception>
#include <thread>
#include <vector>

#include "ripieno/distributed/communicators/communicator.h"

namespace ripieno::distributed::testing {

// Rethrows what ended a rank: rather its own failure than one that says that another rank has left.
template <typename Body>
void on_every_rank(int size, const Body& body) {
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (auto& communicator : in_process(size)) {
    threads.emplace_back([&body, &failures, mine = std::move(communicator)]() mutable {
      const auto rank = static_cast<std::size_t>(mine->rank());
      try {
        const auto here = std::move(mine);  // leaves the group with the scope, also by an exception
        body(*here);
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
