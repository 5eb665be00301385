#include "ripieno/tools/doctor/mpi_job.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/mpi/mpi_world.h"
#include "ripieno/tools/doctor/within.h"

namespace ripieno::tools::doctor {

struct MpiJob::State {
  std::unique_ptr<distributed::MpiEnvironment> environment;
  std::unique_ptr<distributed::Communicator> communicator;
};

MpiJob::MpiJob(double seconds) {
  if (!distributed::launched_by_mpi()) return;
  try {
    const auto state = within<std::shared_ptr<State>>(seconds, [] {
      auto started = std::make_shared<State>();
      started->environment = std::make_unique<distributed::MpiEnvironment>();
      started->communicator = distributed::mpi_world();
      return started;
    });
    if (state) {
      state_ = *state;
    } else {
      failure_ = fmt::format("MPI did not start within {:.3g} s", seconds);
    }
  } catch (const Error& error) {
    failure_ = error.what();
  }
}

MpiJob::~MpiJob() {
  if (state_ == nullptr || !failure_.empty()) {
    // Its destructor would wait for ranks that do not answer.
    if (state_ != nullptr) has_abandoned_threads() = true;
    new std::shared_ptr<State>(std::move(state_));
    return;
  }
  constexpr double kSeconds = 5;
  within<bool>(kSeconds, [state = std::move(state_)]() mutable {
    state->communicator.reset();
    state->environment.reset();
    return true;
  });
}

int MpiJob::size() const {
  if (state_ != nullptr) return state_->communicator->size();
  return failure_.empty() ? 1 : 0;
}

bool MpiJob::run(double seconds, std::function<void(distributed::Communicator&)> action) {
  if (!works()) return false;
  const auto timeout = std::chrono::seconds(std::max<int64_t>(1, std::llround(seconds)));
  try {
    const auto done =
        within<bool>(seconds + 2, [state = state_, timeout, action = std::move(action)] {
          state->communicator->set_timeout(timeout);
          action(*state->communicator);
          return true;
        });
    if (done) return true;
    failure_ = fmt::format("a message between ranks did not arrive within {:.3g} s", seconds);
  } catch (const CommunicationFailure& error) {
    failure_ = error.what();
  }
  return false;
}

}  // namespace ripieno::tools::doctor
