#include "ripieno/tools/plan/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "ripieno/io/run/progress.h"
#include "ripieno/tools/table.h"

namespace ripieno::tools::plan {
namespace {

using Json = nlohmann::ordered_json;

std::string duration(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
  return fmt::format("{:.3g} s", seconds);
}

std::string long_duration(double days) {
  if (days >= 1) return fmt::format("{:.3g} days", days);
  const double hours = 24 * days;
  if (hours >= 1) return fmt::format("{:.3g} hours", hours);
  if (60 * hours >= 1) return fmt::format("{:.3g} minutes", 60 * hours);
  return duration(3600 * hours);
}

// "1,230,000": three significant digits.
std::string readable(double number) {
  if (number < 1000) return fmt::format("{:.3g}", number);
  double unit = 1;
  while (number / unit >= 1000) unit *= 10;
  return io::with_thousands(static_cast<int64_t>(number / unit + 0.5) * static_cast<int64_t>(unit));
}

std::string flops(double number) {
  constexpr const char* kUnits[] = {"", "k", "M", "G", "T", "P", "E"};
  int unit = 0;
  for (; number >= 1000 && unit < 6; ++unit) number /= 1000;
  return fmt::format("{:.3g} {}FLOP", number, kUnits[unit]);
}

std::string singular(std::string unit) {
  unit.pop_back();  // "tokens"
  return unit;
}

struct Phase {
  const char* name;  // of a member in JSON
  const char* text;
  double StepSeconds::*seconds;
};
constexpr Phase kPhases[] = {
    {"forward", "forward", &StepSeconds::forward},
    {"backward", "backward", &StepSeconds::backward},
    {"communication_exposed", "communication, not hidden", &StepSeconds::communication},
    {"optimizer", "optimizer", &StepSeconds::optimizer},
    {"data", "data", &StepSeconds::data},
    {"checkpoint", "checkpoint", &StepSeconds::checkpoint},
};

std::string memory_text(const Report& report) {
  const Forecast& result = report.result;
  Table table("lr");
  for (const auto& line : result.memory.model.lines) {
    table.add(
        {line.is_transient ? "temporary: " + line.what : line.what, readable_bytes(line.bytes)});
  }
  table.add({"activations", readable_bytes(result.memory.activations)});
  table.add({"temporary: backward", readable_bytes(result.memory.temporary)});
  table.add({"batches", readable_bytes(result.memory.data)});
  table.add({"total", readable_bytes(result.memory.total())});
  table.add({"host memory, with the program", readable_bytes(result.host_bytes)});
  return table.text(2);
}

std::string time_text(const Report& report) {
  const StepSeconds& seconds = report.result.seconds;
  Table table("lrr");
  for (const Phase& phase : kPhases) {
    const double value = seconds.*phase.seconds;
    table.add(
        {phase.text, duration(value), fmt::format("{:.1f} %", 100 * value / seconds.total())});
  }
  table.add({"total", duration(seconds.total()), "100 %"});
  return table.text(2);
}

std::string rate_of(const Report& report, const Forecast& result) {
  return fmt::format("{} {}/s", readable(result.units_per_second), report.question.job.work.unit);
}

std::string changes_text(const Report& report) {
  Table table("lrrrl");
  for (const Change& change : report.changes) {
    const Forecast& result = change.result;
    table.add({change.how, rate_of(report, result),
               fmt::format("{:.2f} x", result.units_per_second / report.result.units_per_second),
               readable_bytes(result.memory.total()), change.note});
  }
  if (table.empty()) return "What would make it faster: nothing that this model knows.\n";
  return "What would make it faster (memory per rank; each change alone):\n" + table.text(2);
}

std::string device_text(const Report& report) {
  const Question& question = report.question;
  const Placement& placement = report.result.placement;
  std::string text = fmt::format("{} on {} of {}", counted(question.ranks, "rank"),
                                 counted(placement.hosts(), "host"), question.machine.name);
  if (question.machine.is_cpu)
    text += fmt::format(", {} per rank", counted(placement.threads, "thread"));
  return text + "; speed: " + question.machine.source;
}

std::string fit_text(const Report& report) {
  const Forecast& result = report.result;
  if (result.memory_limit == 0) return "";
  if (result.fits()) {
    return fmt::format("It fits: {} of {} per rank.\n", readable_bytes(result.memory.total()),
                       readable_bytes(result.memory_limit));
  }
  std::string text =
      fmt::format("IT DOES NOT FIT: {} per rank, but only {} are usable.\n",
                  readable_bytes(result.memory.total()), readable_bytes(result.memory_limit));
  if (!report.to_fit) return text + "No setting or number of ranks that this model knows helps.\n";
  return text + fmt::format("The smallest change that makes it fit: {} ({} per rank, {})\n",
                            report.to_fit->how,
                            readable_bytes(report.to_fit->result.memory.total()),
                            rate_of(report, report.to_fit->result));
}

Json seconds_json(const StepSeconds& seconds) {
  Json json;
  for (const Phase& phase : kPhases) json[phase.name] = seconds.*phase.seconds;
  json["total"] = seconds.total();
  return json;
}

Json memory_json(const Forecast& result) {
  Json lines = Json::array();
  for (const auto& line : result.memory.model.lines) {
    lines.push_back({{"what", line.what}, {"bytes", line.bytes}, {"transient", line.is_transient}});
  }
  return {{"lines", lines},
          {"persistent_bytes", result.memory.model.persistent_bytes()},
          {"activation_bytes", result.memory.activations},
          {"backward_bytes", result.memory.temporary},
          {"batch_bytes", result.memory.data},
          {"total_bytes", result.memory.total()},
          {"host_bytes_per_rank", result.host_bytes},
          {"limit_bytes", result.memory_limit > 0 ? Json(result.memory_limit) : Json()},
          {"fits", result.fits()}};
}

Json change_json(const Change& change, const Forecast& base) {
  return {{"change", change.how},
          {"note", change.note},
          {"units_per_second", change.result.units_per_second},
          {"speedup", change.result.units_per_second / base.units_per_second},
          {"step_seconds", change.result.seconds.total()},
          {"memory_bytes", change.result.memory.total()},
          {"days", change.result.days},
          {"money", change.question.price_per_hour > 0 ? Json(change.result.money) : Json()}};
}

}  // namespace

std::string to_text(const Report& report) {
  const Forecast& result = report.result;
  const Job& job = report.question.job;
  const std::string& unit = job.work.unit;
  const double units = static_cast<double>(job.work.units);
  const double per_step = result.flops.of_model() * static_cast<double>(job.batch_size);
  std::string text =
      fmt::format("{}: {} with {} parameters\n{}\n\n", report.configuration, report.kind,
                  io::with_thousands(job.parameters), device_text(report));
  text += fmt::format("Memory per rank (micro-batches of {}):\n{}{}\n",
                      counted(result.micro_rows, "sample"), memory_text(report), fit_text(report));
  text += fmt::format("A step: {} {} of all ranks, {} ({} per {}), micro-batches per rank: {}\n{}",
                      io::with_thousands(job.batch_size * job.work.units), unit, flops(per_step),
                      flops(result.flops.of_model() / units), singular(unit), result.micro_batches,
                      time_text(report));
  text += fmt::format("Communication: {} sent by each rank, {} in all, in buckets of {}\n\n",
                      readable_bytes(static_cast<int64_t>(result.communication.bytes_sent)),
                      duration(result.communication.total),
                      readable_bytes(static_cast<int64_t>(result.bucket_bytes)));
  text += fmt::format("Rate: {}, {:.1f} % of the peak of its products\n", rate_of(report, result),
                      100 * result.utilization);
  text +=
      fmt::format("Run: {} steps, {}", io::with_thousands(job.steps), long_duration(result.days));
  if (result.validation_seconds > 0)
    text +=
        fmt::format(", of which {} validation", long_duration(result.validation_seconds / 86400));
  if (report.question.price_per_hour > 0) text += fmt::format(", {:.2f} in money", result.money);
  text += "\n\n" + changes_text(report);
  return text;
}

nlohmann::json to_json(const Report& report) {
  const Forecast& result = report.result;
  const Question& question = report.question;
  const Job& job = question.job;
  Json changes = Json::array();
  for (const Change& change : report.changes) changes.push_back(change_json(change, result));
  const Json money = question.price_per_hour > 0 ? Json(result.money) : Json();
  return {{"version", 1},
          {"configuration", report.configuration},
          {"model", {{"kind", report.kind}, {"parameters", job.parameters}}},
          {"device", {{"name", question.machine.name}, {"source", question.machine.source}}},
          {"ranks", question.ranks},
          {"hosts", result.placement.hosts()},
          {"threads", question.machine.is_cpu ? Json(result.placement.threads) : Json()},
          {"memory", memory_json(result)},
          {"step",
           {{"samples", job.batch_size},
            {job.work.unit, job.batch_size * job.work.units},
            {"micro_batches", result.micro_batches},
            {"flops", result.flops.of_model() * static_cast<double>(job.batch_size)},
            {"flops_per_unit", result.flops.of_model() / static_cast<double>(job.work.units)},
            {"seconds", seconds_json(result.seconds)}}},
          {"communication",
           {{"seconds", result.communication.total},
            {"exposed_seconds", result.communication.exposed},
            {"work_seconds", result.communication.work},
            {"bytes_sent", result.communication.bytes_sent},
            {"bucket_bytes", result.bucket_bytes}}},
          {"unit", job.work.unit},
          {"units_per_second", result.units_per_second},
          {"model_flops_utilization", result.utilization},
          {"run",
           {{"steps", job.steps},
            {"validation_seconds", result.validation_seconds},
            {"days", result.days},
            {"money", money}}},
          {"changes", changes},
          {"to_fit", report.to_fit ? change_json(*report.to_fit, result) : Json()}};
}

}  // namespace ripieno::tools::plan
