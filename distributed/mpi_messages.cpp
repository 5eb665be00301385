#include "ripieno/distributed/mpi_messages.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/distributed/waiting.h"

namespace ripieno::distributed {
namespace {

constexpr int kTag = 0;
// MPI makes progress only while it is called, so waiting is asking: at once for a while, then at
// intervals that leave the core to the computation this communication hides behind.
constexpr int kTestsAtOnce = 200;
constexpr std::chrono::microseconds kBetweenTests(20);

std::string reason(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return {text, static_cast<std::size_t>(length)};
}

}  // namespace

void check_mpi(int code, const char* call) {
  if (code != MPI_SUCCESS) throw CommunicationFailure(fmt::format("{}: {}", call, reason(code)));
}

bool peers_follow() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  return !finalized && std::uncaught_exceptions() == 0;
}

Messages::Messages(MPI_Comm communicator, int capacity) : communicator_(communicator) {
  const auto room = static_cast<std::size_t>(capacity);
  requests_.reserve(room);
  statuses_.resize(room);
  expected_.reserve(room);
}

Messages::~Messages() {
  for (MPI_Request& request : requests_) {
    if (request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&request);
    MPI_Request_free(&request);
  }
}

MPI_Request& Messages::next(Expected expected) {
  expected_.push_back(expected);
  return requests_.emplace_back(MPI_REQUEST_NULL);
}

void Messages::send(const std::byte* from, std::size_t bytes, int to) {
  check_mpi(MPI_Isend(from, static_cast<int>(bytes), MPI_BYTE, to, kTag, communicator_, &next({})),
            "MPI_Isend");
}

void Messages::receive(std::byte* to, std::size_t bytes, int from) {
  const auto count = static_cast<int>(bytes);
  check_mpi(MPI_Irecv(to, count, MPI_BYTE, from, kTag, communicator_, &next({count, from})),
            "MPI_Irecv");
}

void Messages::broadcast(std::byte* x, std::size_t bytes, int root) {
  check_mpi(MPI_Ibcast(x, static_cast<int>(bytes), MPI_BYTE, root, communicator_, &next({})),
            "MPI_Ibcast");
}

void Messages::barrier() { check_mpi(MPI_Ibarrier(communicator_, &next({})), "MPI_Ibarrier"); }

void Messages::wait(std::chrono::seconds timeout) {
  using Clock = std::chrono::steady_clock;
  const auto count = static_cast<int>(requests_.size());
  Clock::time_point deadline;
  for (int tests = 0, done = 0; !done; ++tests) {
    if (tests == kTestsAtOnce) deadline = Clock::now() + timeout;
    if (tests > kTestsAtOnce) {
      if (Clock::now() > deadline) fail_waiting(timeout, missing());
      std::this_thread::sleep_for(kBetweenTests);
    }
    const int code = MPI_Testall(count, requests_.data(), &done, statuses_.data());
    if (code != MPI_ERR_IN_STATUS) check_mpi(code, "MPI_Testall");
    for (int i = 0; code == MPI_ERR_IN_STATUS && i < count; ++i) {
      const int error = statuses_[static_cast<std::size_t>(i)].MPI_ERROR;
      if (error != MPI_ERR_PENDING) check_mpi(error, "a message");
    }
  }
  require_lengths();
  requests_.clear();
  expected_.clear();
}

std::vector<int> Messages::missing() const {
  std::vector<int> result;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (expected_[i].bytes >= 0 && requests_[i] != MPI_REQUEST_NULL) {
      result.push_back(expected_[i].from);
    }
  }
  return result;
}

void Messages::require_lengths() const {
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (expected_[i].bytes < 0) continue;
    int received = 0;
    check_mpi(MPI_Get_count(&statuses_[i], MPI_BYTE, &received), "MPI_Get_count");
    if (received == expected_[i].bytes) continue;
    throw CommunicationFailure(fmt::format(
        "rank {} sent {} bytes where {} were expected; every rank must call the same collectives "
        "in the same order",
        expected_[i].from, received, expected_[i].bytes));
  }
}

}  // namespace ripieno::distributed
