#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <optional>

#include "ripieno/tools/byte_progress.h"
#include "ripieno/tools/command.h"
#include "ripieno/tools/convert/conversion.h"
#include "ripieno/tools/numbers.h"
#include "ripieno/tools/table.h"
#include "ripieno/tools/tensor_difference.h"

namespace ripieno::tools {
namespace {

constexpr int kDifferent = 1;  // exit status, as of cmp and diff

struct Options {
  std::string a, b;
  std::string tolerance;
  bool parameters = false, quiet = false;
};

// One of the two sources, with its tensors by the names under which they are compared.
struct Side {
  std::unique_ptr<TensorSource> source;
  Conversion conversion;
  std::map<std::pair<io::StateKind, std::string>, const Target*> by_name;

  void index() {
    by_name.clear();
    for (const Target& target : conversion.targets) by_name[{target.kind, target.name}] = &target;
  }
  Tensor read(const Target& target) const { return converted(conversion, target); }
  bool has(io::StateKind kind) const {
    return std::any_of(conversion.targets.begin(), conversion.targets.end(),
                       [&](const Target& target) { return target.kind == kind; });
  }
};

Side open_side(const std::string& path, bool parameters) {
  Side side{open_source(io::local_files(), path), {}, {}};
  side.conversion = plan_conversion(
      *side.source, {.to = TargetFormat::numpy, .names = Names::ours, .all = !parameters});
  side.index();
  return side;
}

bool share_names(const Side& a, const Side& b) {
  return std::any_of(a.by_name.begin(), a.by_name.end(),
                     [&](const auto& entry) { return b.by_name.contains(entry.first); });
}

// If one is a checkpoint and the other has Hugging Face names, translates those to ours.
void use_our_names(Side& a, Side& b) {
  if (a.source->format == b.source->format || share_names(a, b)) return;
  Side& foreign = a.source->format == TensorSource::Format::safetensors ? a : b;
  foreign.conversion = plan_conversion(
      *foreign.source, {.to = TargetFormat::checkpoint, .names = Names::hugging_face});
  foreign.index();
}

struct Totals {
  int64_t equal = 0, within = 0, different = 0, only_in_a = 0, only_in_b = 0;

  bool is_equal() const { return different + only_in_a + only_in_b == 0; }
};

std::string kind_of(const Target& target) {
  return fmt::format("{} {}", name_of(target.dtype), to_string(target.shape));
}

class Comparison {
 public:
  explicit Comparison(const std::optional<double>& tolerance) : tolerance_(tolerance) {}

  // The tensors of `a` that `b` lacks. A kind of which `b` has none at all takes one line.
  void add_unmatched(const char* side, const Side& a, const Side& b, int64_t& count) {
    std::map<io::StateKind, int64_t> missing;
    for (const Target& target : a.conversion.targets) {
      if (b.by_name.contains({target.kind, target.name})) continue;
      ++count;
      if (b.has(target.kind))
        rows_.add({target.name, fmt::format("only in {}: {}", side, kind_of(target))});
      else
        ++missing[target.kind];
    }
    for (const auto& [kind, tensors] : missing)
      rows_.add({fmt::format("all tensors of kind {}", io::name_of(kind)),
                 fmt::format("only in {}: {}", side, counted(tensors, "tensor"))});
  }

  void add_pair(const Side& side_a, const Target& a, const Side& side_b, const Target& b) {
    if (a.shape != b.shape) {
      ++totals.different;
      rows_.add({a.name, fmt::format("{} in A, {} in B", kind_of(a), kind_of(b))});
      return;
    }
    const TensorDifference difference = difference_of(side_a.read(a), side_b.read(b));
    if (difference.is_bitwise_equal) {
      ++totals.equal;
      return;
    }
    const bool is_within = tolerance_ && difference.largest <= *tolerance_;
    ++(is_within ? totals.within : totals.different);
    if (is_within) return;
    std::string types;
    if (a.dtype != b.dtype)
      types = fmt::format("  {} in A, {} in B", name_of(a.dtype), name_of(b.dtype));
    rows_.add({a.name, fmt::format("{} of {} differ, max |a-b| {:.3g}, relative {:.2g}{}",
                                   io::with_thousands(difference.differing),
                                   io::with_thousands(a.shape.elements()), difference.largest,
                                   difference.relative, types)});
  }

  std::string rows() const { return rows_.text(); }
  Totals totals;

 private:
  std::optional<double> tolerance_;
  Table rows_{"ll"};
};

std::string summary(const Totals& totals, const std::optional<double>& tolerance) {
  std::string text = fmt::format("{} bitwise identical", io::with_thousands(totals.equal));
  if (tolerance)
    text += fmt::format(", {} within {}", io::with_thousands(totals.within), *tolerance);
  return text + fmt::format(", {} different, {} only in A, {} only in B",
                            io::with_thousands(totals.different),
                            io::with_thousands(totals.only_in_a),
                            io::with_thousands(totals.only_in_b));
}

// The NaN and infinite elements among the compared tensors of a side.
std::string not_finite_in(const char* name, const Side& side) {
  const std::string text = side.conversion.not_finite->text();
  return text.empty() ? "" : fmt::format("not finite in {}:\n{}", name, text);
}

int diff(const Options& options) {
  std::optional<double> tolerance;
  if (!options.tolerance.empty()) tolerance = finite_number("--tolerance", options.tolerance, 0);
  Side a = open_side(options.a, options.parameters), b = open_side(options.b, options.parameters);
  use_our_names(a, b);
  ByteProgress progress(a.conversion.bytes(), options.quiet);
  Comparison comparison(tolerance);
  for (const Target& target : a.conversion.targets) {
    const auto other = b.by_name.find({target.kind, target.name});
    if (other != b.by_name.end()) comparison.add_pair(a, target, b, *other->second);
    progress.add(target.bytes());
  }
  comparison.add_unmatched("A", a, b, comparison.totals.only_in_a);
  comparison.add_unmatched("B", b, a, comparison.totals.only_in_b);
  progress.finish();
  if (!options.quiet)
    fmt::print("{}{}{}{}\n", comparison.rows(), not_finite_in("A", a), not_finite_in("B", b),
               summary(comparison.totals, tolerance));
  return comparison.totals.is_equal() ? 0 : kDifferent;
}

}  // namespace

void add_diff(CLI::App& app, int& status) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("diff", "Compares two checkpoints tensor by tensor.");
  command
      ->add_option("A", options->a,
                   "checkpoint, run directory (its newest checkpoint),\n"
                   "or safetensors file or directory")
      ->type_name("")
      ->required();
  command
      ->add_option("B", options->b,
                   "what to compare A with, given in the same way;\n"
                   "Hugging Face names match those of a checkpoint")
      ->type_name("")
      ->required();
  command
      ->add_option("--tolerance", options->tolerance,
                   "accept tensors whose elements differ by at most X,\n"
                   "also if their element types differ")
      ->type_name("X");
  command->add_flag("--parameters", options->parameters,
                    "compare parameters only: no buffers, no optimizer\n"
                    "state");
  command->add_flag("--quiet", options->quiet, "print nothing: only the exit status matters");
  command->footer(
      "Exit status: 0 if both have the same tensors, bitwise identical (or within\n"
      "--tolerance); 1 if they differ; 64 and above for errors.");
  command->callback([options, &status] { status = diff(*options); });
}

}  // namespace ripieno::tools
