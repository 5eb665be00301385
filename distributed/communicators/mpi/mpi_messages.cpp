#include "ripieno/distributed/communicators/mpi/mpi_messages.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <thread>

#include "ripieno/core/error.h"
#include "ripieno/distributed/communicators/waiting.h"

namespace ripieno::distributed {
namespace {

using Clock = std::chrono::steady_clock;

// MPI makes progress only while it is called, so waiting is asking: at once for a while, then at
// growing intervals that leave the core to the computation this communication hides behind.
constexpr int kTestsAtOnce = 200;
constexpr std::chrono::microseconds kFirstSleep(20), kLongestSleep(100);

// Every MPI takes tags up to 32767: four bits say which collective it is, the rest stand for its
// size and type.
constexpr int kTagBits = 15;
constexpr int kKindBits = 4;

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

bool peers_follow() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  return !finalized && std::uncaught_exceptions() == 0;
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
  Clock::time_point deadline;
  std::chrono::microseconds sleep = kFirstSleep;
  for (int tests = 0; !test(); ++tests) {
    if (tests < kTestsAtOnce) continue;
    if (tests == kTestsAtOnce) deadline = Clock::now() + timeout;
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
        "rank {} is in another {}; every rank must call the same collectives in the same order",
        expected.peer, kind_of(status.MPI_TAG)));
  }
  int received = 0;
  check_mpi(MPI_Get_count(&status, MPI_BYTE, &received), "MPI_Get_count");
  if (received == expected.bytes || status.MPI_ERROR == MPI_ERR_TRUNCATE) return;
  throw CommunicationFailure(fmt::format("rank {} sent {} bytes where {} were expected",
                                         expected.peer, received, expected.bytes));
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
