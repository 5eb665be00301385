#!/usr/bin/env python3
"""scripts/write_reference.py: each test writes a small tree with one public header."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "scripts/write_reference.py"

HEADER = """\
// Counter: counts events. For tests of `this`.
//
//   Counter counter(3);
#pragma once

#include <vector>

namespace ripieno {
namespace internal {
int not_for_users();
}

class Event;

// Counts *events*, see docs/metrics.md.
class Counter : public Base {
 public:
  // From `first` on.
  explicit Counter(int first) : count_(first), seen_{1, 2} {}
  template <typename T>
  T count() const {
    return static_cast<T>(count_);
  }
  int size() const { return 1; }  // (events)
  bool operator()(int event) const;
  static constexpr int kLimit = 7;  // the most
                                    // that fit

 protected:
  virtual void change() = 0;

 private:
  struct Hidden {
    int inside;
  };
  int count_;
  std::vector<int> seen_;
};

enum class Kind { one, two };

// a and b, both (rows, cols).
int add(int a,
        int b = Kind::one < Kind::two);
double add(double a, double b);

inline constexpr int kMost = 1 << 3;

}  // namespace ripieno
"""


class Reference(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        (self.root / "core/ops").mkdir(parents=True)
        (self.root / "core/CMakeLists.txt").write_text(
            "set(more ops/count.h)\nripieno_library(core\n  HEADERS\n    ${more}  # public\n  SOURCES\n    a.h)\n")
        self.header = self.root / "core/ops/count.h"
        self.header.write_text(HEADER)
        self.page = self.root / "docs/reference/core_ops.md"

    def run_script(self, *arguments):
        return subprocess.run([sys.executable, SCRIPT, *arguments, self.root], capture_output=True, text=True)

    def written(self):
        done = self.run_script()
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.page.read_text()

    def test_a_header_has_its_comment_and_its_include_line(self):
        page = self.written()
        self.assertIn("## count.h\n\nCounter: counts events. For tests of `this`.\n", page)
        self.assertIn("```cpp\nCounter counter(3);\n```\n", page)
        self.assertIn("#include <ripieno/core/ops/count.h>", page)

    def test_a_class_has_its_public_and_protected_members(self):
        self.assertIn("""\
### Counter

Counts \\*events\\*, see [docs/metrics.md](../metrics.md).

```cpp
class Counter : public Base {
 public:
  // From `first` on.
  explicit Counter(int first);
  template <typename T>
  T count() const;
  int size() const;  // (events)
  bool operator()(int event) const;
  static constexpr int kLimit = 7;  // the most
                                    // that fit

 protected:
  virtual void change() = 0;
};
```
""", self.written())

    def test_what_is_private_is_not_shown(self):
        page = self.written()
        for name in ("count_", "Hidden", "inside", "not_for_users", "class Event"):
            self.assertNotIn(name, page)

    def test_functions_that_share_a_comment_share_a_section(self):
        page = self.written()
        self.assertIn("### Kind\n\n```cpp\nenum class Kind { one, two };\n```\n", page)
        self.assertIn("### add\n\na and b, both (rows, cols).\n\n```cpp\nint add(int a,\n"
                      "        int b = Kind::one < Kind::two);\ndouble add(double a, double b);\n```\n", page)
        self.assertIn("### kMost\n\n```cpp\ninline constexpr int kMost = 1 << 3;\n```\n", page)

    def test_the_index_has_the_first_sentence_of_each_header(self):
        self.written()
        index = (self.root / "docs/reference/README.md").read_text()
        self.assertIn("* [count.h](core_ops.md#counth): Counter: counts events.\n", index)

    def test_check_passes_until_a_comment_changes(self):
        self.written()
        self.assertEqual(self.run_script("--check").returncode, 0)
        self.header.write_text(HEADER.replace("From `first` on.", "Starts at `first`."))
        done = self.run_script("--check")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, "docs/reference/core_ops.md is stale; run scripts/write_reference.py\n")

    def test_check_passes_when_only_a_private_member_changes(self):
        self.written()
        self.header.write_text(HEADER.replace("int count_;", "long count_;"))
        self.assertEqual(self.run_script("--check").returncode, 0)

    def test_a_page_too_few_or_too_many_is_found_and_mended(self):
        self.written()
        self.page.rename(self.page.with_name("core_old.md"))
        self.assertIn("core_ops.md is missing", self.run_script("--check").stderr)
        self.page.write_text(self.page.with_name("core_old.md").read_text())
        self.assertIn("core_old.md belongs to no folder", self.run_script("--check").stderr)
        self.written()
        self.assertEqual(self.run_script("--check").returncode, 0)


if __name__ == "__main__":
    unittest.main()
