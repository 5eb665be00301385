#include "ripieno/training/watch/stacks.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string_view>

namespace ripieno::watch {
namespace {

constexpr int kMostFrames = 64, kMostThreads = 512;

// Written by the handler in the thread with this id.
struct Slot {
  std::atomic<int> thread = 0;
  std::atomic<bool> is_filled = false;
  int depth = 0;
  void* frames[kMostFrames];
};
Slot slots[kMostThreads];

void record_stack(int) {
  const int error = errno;
  const int mine = ::gettid();
  for (Slot& slot : slots) {
    if (slot.thread.load() != mine) continue;
    slot.depth = ::backtrace(slot.frames, kMostFrames);
    slot.is_filled = true;
    break;
  }
  errno = error;
}

std::vector<int> other_threads() {
  std::vector<int> threads;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    const std::string name = entry.path().filename();
    int thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    if (thread != 0 && thread != ::gettid()) threads.push_back(thread);
  }
  std::sort(threads.begin(), threads.end());
  return threads;
}

// The content of a file of the thread in /proc, without its last newline.
std::string about(int thread, const char* file) {
  std::ifstream in(fmt::format("/proc/self/task/{}/{}", thread, file));
  std::string text;
  std::getline(in, text);
  return text;
}

// "4711 (name with blanks) S 1 …"
char state_of(int thread) {
  const std::string text = about(thread, "stat");
  const auto end = text.rfind(") ");
  return end != std::string::npos && end + 2 < text.size() ? text[end + 2] : '?';
}

void sleep_milliseconds(int milliseconds) {
  const timespec time = {0, milliseconds * 1'000'000L};
  ::nanosleep(&time, nullptr);
}

std::string name_of_function(const Dl_info& info, std::uintptr_t address) {
  if (!info.dli_sname) return "";
  int status = -1;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(info.dli_sname, nullptr, nullptr, &status), &std::free);
  return fmt::format(" {}+{:#x}", status == 0 ? name.get() : info.dli_sname,
                     address - reinterpret_cast<std::uintptr_t>(info.dli_saddr));
}

std::string describe(void* frame) {
  const auto address = reinterpret_cast<std::uintptr_t>(frame);
  Dl_info info = {};
  if (::dladdr(frame, &info) == 0 || !info.dli_fname) return fmt::format("{:#x}", address);
  return fmt::format("{}+{:#x}{}", info.dli_fname,
                     address - reinterpret_cast<std::uintptr_t>(info.dli_fbase),
                     name_of_function(info, address));
}

}  // namespace

void prepare_stacks() {
  void* frame;
  ::backtrace(&frame, 1);
}

std::vector<ThreadStack> capture_stacks() {
  const int signal = SIGRTMAX - 1;
  struct sigaction action = {}, before = {};
  action.sa_handler = record_stack;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  ::sigaction(signal, &action, &before);

  std::vector<int> threads = other_threads();
  threads.resize(std::min<std::size_t>(threads.size(), kMostThreads));
  for (std::size_t i = 0; i < threads.size(); ++i) {
    slots[i].is_filled = false;
    slots[i].thread = threads[i];
    ::syscall(SYS_tgkill, ::getpid(), threads[i], signal);
  }
  const auto is_filled = [&](std::size_t i) { return slots[i].is_filled.load(); };
  for (int waited = 0; waited < 1000; ++waited) {
    std::size_t filled = 0;
    for (std::size_t i = 0; i < threads.size(); ++i) filled += is_filled(i);
    if (filled == threads.size()) break;
    sleep_milliseconds(1);
  }
  std::vector<ThreadStack> stacks;
  bool all_have_answered = true;
  for (std::size_t i = 0; i < threads.size(); ++i) {
    ThreadStack stack{.id = threads[i],
                      .name = about(threads[i], "comm"),
                      .state = state_of(threads[i]),
                      .has_answered = is_filled(i)};
    if (stack.has_answered) stack.frames.assign(slots[i].frames, slots[i].frames + slots[i].depth);
    all_have_answered = all_have_answered && stack.has_answered;
    slots[i].thread = 0;
    stacks.push_back(std::move(stack));
  }
  // A signal that is still pending must find this handler, or it would end the process.
  if (all_have_answered) ::sigaction(signal, &before, nullptr);
  return stacks;
}

std::string to_string(const std::vector<ThreadStack>& stacks) {
  std::string text;
  for (const auto& stack : stacks) {
    text += fmt::format("\nthread {} {} ({})\n", stack.id, stack.name, stack.state);
    if (!stack.has_answered) text += "  no stack: it blocks signals or waits for storage\n";
    // The first two frames are the signal handler's.
    for (std::size_t i = std::min<std::size_t>(2, stack.frames.size()); i < stack.frames.size();
         ++i)
      text += fmt::format("  #{} {}\n", i - 2, describe(stack.frames[i]));
  }
  return text;
}

}  // namespace ripieno::watch
