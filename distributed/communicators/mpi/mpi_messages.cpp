#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/communicator.h"
#include "ripieno/distributed/communicators/waiting.h"

namespace ripieno::distributed {
namespace {

using Clock = std::chrono::steady_clock;

// MPI makes progress only inside its functions, so waiting means polling: without pause at first,
// then at growing intervals that leave the core to the computation that overlaps with
// communication.
constexpr int kTestsAtOnce = 200;
constexpr std::chrono::microseconds kFirstSleep(20), kLongestSleep(100);
constexpr int kTestsToCancel = 100;

// MPI guarantees tags up to 32767: four bits are the kind of collective, the rest a hash of its
// size, element type and root.
constexpr int kTagBits = 15;
constexpr int kKindBits = 4;

// How long wait_for_peers() waits after a failure.
constexpr std::chrono::seconds kTimeoutAfterFailure(15);

// In this process: a collective has failed; wait_for_peers() has failed.
std::atomic<bool> has_failed = false, peers_are_lost = false;

std::string reason(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return {text, static_cast<std::size_t>(length)};
}

std::string_view kind_of(int tag) {
  return name_of(static_cast<Collective::Kind>(tag >> (kTagBits - kKindBits)));
}

}  // namespace

void check_mpi(int code, const char* call) {
  if (code != MPI_SUCCESS) throw CommunicationFailure(fmt::format("{}: {}", call, reason(code)));
}

void note_failure() { has_failed = true; }

// Uses a non-blocking barrier, which can time out; MPI_Win_free and MPI_Finalize cannot.
bool wait_for_peers(MPI_Comm communicator, std::chrono::seconds timeout) {
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized || peers_are_lost || std::uncaught_exceptions() > 0) return false;
  MPI_Request barrier = MPI_REQUEST_NULL;
  int done = MPI_Ibarrier(communicator, &barrier) != MPI_SUCCESS ? -1 : 0;
  const auto limit = has_failed ? std::min(timeout, kTimeoutAfterFailure)
                                : std::max(timeout, Communicator::kDefaultTimeout);
  const auto deadline = deadline_after(limit);
  for (int tests = 0; done == 0; ++tests) {
    if (MPI_Test(&barrier, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) done = -1;
    if (done != 0 || tests < kTestsAtOnce) continue;
    if (Clock::now() > deadline) done = -1;
    std::this_thread::sleep_for(kLongestSleep);
  }
  if (done < 0) peers_are_lost = true;
  return done > 0;
}

int tag_of(const Collective& collective) {
  auto bits = static_cast<uint64_t>(collective.elements) * 0x9e3779b97f4a7c15u;
  bits ^= (static_cast<uint64_t>(collective.dtype) << 32 | static_cast<uint32_t>(collective.root)) *
          0xbf58476d1ce4e5b9u;
  const auto kind = static_cast<int>(collective.kind);
  return kind << (kTagBits - kKindBits) | static_cast<int>(bits >> (64 - kTagBits + kKindBits));
}

Messages::Messages(MPI_Comm communicator, int capacity) : communicator_(communicator) {
  const auto room = static_cast<std::size_t>(capacity);
  requests_.reserve(room);
  statuses_.resize(room);
  expected_.reserve(room);
}

Messages::~Messages() { abandon(); }

void Messages::abandon() noexcept {
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    if (requests_[i] == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&requests_[i]);
    // A receive without a message is canceled at once; one whose message is arriving may still
    // complete.
    int done = expected_[i].bytes < 0;
    for (int test = 0; test < kTestsToCancel && !done; ++test) {
      if (test > 0) std::this_thread::sleep_for(kLongestSleep);
      if (MPI_Test(&requests_[i], &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) break;
    }
    if (requests_[i] != MPI_REQUEST_NULL) MPI_Request_free(&requests_[i]);
  }
  requests_.clear();
  expected_.clear();
}

MPI_Request& Messages::next(Expected expected) {
  expected_.push_back(expected);
  return requests_.emplace_back(MPI_REQUEST_NULL);
}

void Messages::send(const std::byte* from, std::size_t bytes, int to, int tag) {
  check_mpi(MPI_Isend(from, static_cast<int>(bytes), MPI_BYTE, to, tag, communicator_,
                      &next({-1, to, tag})),
            "MPI_Isend");
}

void Messages::receive(std::byte* to, std::size_t bytes, int from, int tag) {
  const auto count = static_cast<int>(bytes);
  check_mpi(
      MPI_Irecv(to, count, MPI_BYTE, from, MPI_ANY_TAG, communicator_, &next({count, from, tag})),
      "MPI_Irecv");
}

void Messages::wait(std::chrono::seconds timeout) {
  try {
    wait_for_all(timeout);
  } catch (...) {
    abandon();
    throw;
  }
}

void Messages::wait_for_all(std::chrono::seconds timeout) {
  Clock::time_point deadline;
  std::chrono::microseconds sleep = kFirstSleep;
  for (int tests = 0; !test(); ++tests) {
    if (tests < kTestsAtOnce) continue;
    if (tests == kTestsAtOnce) deadline = deadline_after(timeout);
    if (Clock::now() > deadline) fail_waiting(timeout, missing());
    std::this_thread::sleep_for(sleep);
    sleep = std::min(2 * sleep, kLongestSleep);
  }
  for (std::size_t i = 0; i < requests_.size(); ++i) require_expected(i);
  requests_.clear();
  expected_.clear();
}

bool Messages::test() {
  int done = 0;
  const int code =
      MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, statuses_.data());
  if (code != MPI_ERR_IN_STATUS) check_mpi(code, "MPI_Testall");
  for (std::size_t i = 0; code == MPI_ERR_IN_STATUS && i < requests_.size(); ++i) {
    const int error = statuses_[i].MPI_ERROR;
    if (error == MPI_SUCCESS || error == MPI_ERR_PENDING) continue;
    require_expected(i);
    check_mpi(error, "a message");
  }
  return done;
}

void Messages::require_expected(std::size_t message) const {
  const Expected& expected = expected_[message];
  if (expected.bytes < 0) return;
  const MPI_Status& status = statuses_[message];
  if (status.MPI_TAG != expected.tag) {
    throw CommunicationFailure(fmt::format(
        "rank {} called {} with other arguments or out of order; every rank must call the same "
        "collectives in the same order",
        expected.peer, kind_of(status.MPI_TAG)));
  }
  int received = 0;
  check_mpi(MPI_Get_count(&status, MPI_BYTE, &received), "MPI_Get_count");
  if (received == expected.bytes || status.MPI_ERROR == MPI_ERR_TRUNCATE) return;
  throw CommunicationFailure(
      fmt::format("rank {} sent {} bytes, expected {}", expected.peer, received, expected.bytes));
}

std::vector<int> Messages::missing() const {
  std::vector<int> result;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    int done = 0;
    MPI_Request_get_status(requests_[i], &done, MPI_STATUS_IGNORE);
    if (!done) result.push_back(expected_[i].peer);
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

}  // namespace ripieno::distributed
