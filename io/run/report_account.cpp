#include "ripieno/io/run/report_account.h"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "ripieno/io/run/progress.h"
#include "ripieno/io/run/report_parts.h"

namespace ripieno::io {
namespace {

// "35 s", "12 min 5 s", "3 h 12 min"
std::string duration(double seconds) {
  if (seconds < 10) return fmt::format("{:.2g} s", seconds);
  const auto whole = std::llround(seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", with_thousands(whole / 3600), whole % 3600 / 60);
}

std::string percent(double part, double whole) {
  return fmt::format("{:.1f} %", whole > 0 ? 100 * part / whole : 0);
}

std::string counted(int64_t count, const char* thing) {
  return fmt::format("{} {}{}", with_thousands(count), thing, count == 1 ? "" : "s");
}

std::string interruptions(const RunAccount& account) {
  std::string text = counted(account.starts - 1, "restart");
  if (account.rollbacks > 0) text += ", " + counted(account.rollbacks, "rollback");
  if (account.skipped_steps > 0) text += ", " + counted(account.skipped_steps, "skipped step");
  return text;
}

// 12,300 or 0.0123
std::string rate(double value) {
  return value >= 100 ? rounded_with_thousands(value) : fmt::format("{:.3g}", value);
}

std::string model_flops_figure(const RunAccount& account) {
  if (!account.model_flops) return "";
  const std::string flops = fmt::format("{:.3g} TFLOP/s per rank", *account.model_flops / 1e12);
  if (!account.peak_flops)
    return figure("Model FLOP rate", flops, "RIPIENO_PEAK_TFLOPS is not set: no utilization");
  return figure("Model FLOP utilization", percent(*account.model_flops, *account.peak_flops),
                fmt::format("{}, of {:.4g} at most", flops, *account.peak_flops / 1e12));
}

std::string rows_of(const std::vector<std::pair<std::string, double>>& causes, double whole) {
  std::string rows;
  for (const auto& [cause, seconds] : causes)
    rows += fmt::format("<tr><th>{}</th><td>{}</td><td>{}</td></tr>", escaped(cause),
                        duration(seconds), percent(seconds, whole));
  return rows;
}

}  // namespace

std::string account_figures(const RunAccount& account) {
  const auto units = static_cast<double>(account.units);
  std::string figures =
      figure("Effective training time", percent(account.effective, account.seconds),
             fmt::format("{} of {}", duration(account.effective), duration(account.seconds)));
  figures +=
      figure("Time lost", duration(account.seconds - account.effective), interruptions(account));
  if (account.units > 0 && account.seconds > 0)
    figures += figure("Throughput, overall", rate(units / account.seconds),
                      fmt::format("{}/s, with all time lost", account.unit));
  if (account.units > 0 && account.usd)
    figures += figure(fmt::format("{} per USD", account.unit == "tokens" ? "Tokens" : "Samples"),
                      rate(units / *account.usd), fmt::format("{:.2f} USD spent", *account.usd));
  return "<div class=\"figures\">" + figures + model_flops_figure(account) + "</div>\n";
}

std::string account_section(const RunAccount& account) {
  const std::string head = "<tr><th></th><th>Time</th><th>Of the run</th></tr>";
  std::string tables;
  for (const auto& [heading, causes] : {std::pair{"Time lost to", account.lost},
                                        std::pair{"Of the effective time", account.inside}}) {
    if (causes.empty()) continue;
    tables += fmt::format("<div><h3>{}</h3><table>{}{}</table></div>", heading, head,
                          rows_of(causes, account.seconds));
  }
  return tables.empty() ? ""
                        : section("Where the time of the run went",
                                  "<div class=\"sections\">" + tables + "</div>");
}

}  // namespace ripieno::io
