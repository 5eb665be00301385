#include "ripieno/tools/launch/notice_watch.h"

#include <fmt/format.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "ripieno/tools/launch/process.h"

namespace ripieno::tools {
namespace {

constexpr std::chrono::seconds kInterval{5};
constexpr int kFailuresToReport = 3;

void report(Cloud cloud, const std::string& url) {
  write_errors(
      fmt::format("ripieno launch: the metadata service of {} at {} does not answer as documented; "
                  "notices of preemption may be missed (--notices off stops asking)\n",
                  name_of(cloud), url));
}

}  // namespace

struct NoticeWatch::State {
  std::mutex mutex;
  std::condition_variable ended;
  bool is_ended = false;
  std::optional<Notice> notice;

  void poll_until_ended(Cloud cloud, const std::string& url) {
    NoticeService service(cloud, url);
    int failures = 0;
    std::unique_lock lock(mutex);
    while (!is_ended && !notice) {
      lock.unlock();
      auto found = service.poll();
      failures = service.is_understood() ? 0 : failures + 1;
      lock.lock();
      if (failures == kFailuresToReport && !is_ended) report(cloud, service.base_url());
      notice = std::move(found);
      ended.wait_for(lock, kInterval, [&] { return is_ended || notice.has_value(); });
    }
  }
};

NoticeWatch::NoticeWatch(Cloud cloud, const std::string& url) : state_(std::make_shared<State>()) {
  if (cloud == Cloud::none) return;
  std::thread([state = state_, cloud, url] { state->poll_until_ended(cloud, url); }).detach();
}

NoticeWatch::~NoticeWatch() {
  const std::lock_guard lock(state_->mutex);
  state_->is_ended = true;
  state_->ended.notify_all();
}

std::optional<Notice> NoticeWatch::notice() const {
  const std::lock_guard lock(state_->mutex);
  return state_->notice;
}

void SaveWarning::consider(double step_seconds, double save_seconds) {
  const double promised = promised_seconds(cloud_), needed = step_seconds + save_seconds;
  if (cloud_ == Cloud::none || is_given_ || needed <= promised * 2 / 3) return;
  is_given_ = true;
  write_errors(fmt::format(
      "ripieno launch: a step and a save of this run took up to {:.0f} s, but {} announces a "
      "preemption only {:.0f} s before; steps since the last checkpoint may be lost\n",
      needed, name_of(cloud_), promised));
}

}  // namespace ripieno::tools
