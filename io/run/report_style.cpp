#include "ripieno/io/run/report_style.h"

namespace ripieno::io {

const char* const kReportStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f5f1; --card: #ffffff; --ink: #1d2230; --muted: #667085; --line: #e4e2da;
  --train: #2f6fdf; --validation: #d9622b; --fault: #c8102e;
  --phase-0: #2f6fdf; --phase-1: #17a398; --phase-2: #8250c4; --phase-3: #d9622b;
  --phase-4: #c9a227; --phase-5: #7a8699; --phase-6: #c2c7d0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151c; --card: #1a1f2a; --ink: #e8eaf0; --muted: #98a2b3; --line: #2c3342;
    --train: #6ea2ff; --validation: #ff9460; --fault: #ff5c6c;
    --phase-0: #6ea2ff; --phase-1: #3cc9bd; --phase-2: #b08af0; --phase-3: #ff9460;
    --phase-4: #e6c65a; --phase-5: #98a2b3; --phase-6: #4a5263;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums;
}
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
header { margin-bottom: 28px; }
.brand { margin: 0; color: var(--muted); font-size: 12px; letter-spacing: .14em; text-transform: uppercase; }
h1 { margin: 2px 0 4px; font-size: 34px; line-height: 1.15; font-weight: 680; letter-spacing: -.02em; overflow-wrap: anywhere; }
h2 { margin: 0 0 14px; font-size: 15px; font-weight: 640; }
h3 { margin: 0 0 6px; font-size: 12px; font-weight: 600; color: var(--muted); letter-spacing: .06em; text-transform: uppercase; }
.sub { margin: 0; color: var(--muted); }
section, .figure {
  background: var(--card); border: 1px solid var(--line); border-radius: 12px;
}
section { padding: 20px 22px; margin-top: 16px; overflow-x: auto; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 16px; }
.figures + .figures { margin-top: 16px; }
.figure { padding: 16px 18px; }
.figure b { display: block; font-size: 26px; line-height: 1.2; font-weight: 660; letter-spacing: -.01em; }
.figure small { color: var(--muted); font-size: 13px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr)); gap: 16px; margin-top: 16px; }
.columns section { margin-top: 0; }
.legend { float: right; color: var(--muted); font-size: 13px; }
.legend span { margin-left: 18px; white-space: nowrap; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 7px; }
.chart { display: block; width: 100%; height: auto; }
.chart { overflow: visible; }
@media (max-width: 620px) {
  .wide .tick, .wide .mark { font-size: 24px; }
  .wide .x { transform: translateY(14px); }
  .wide .chart { margin-bottom: 8px; }
  .differences th { white-space: normal; overflow-wrap: anywhere; min-width: 9em; }
  .differences td { min-width: 6em; }
  .wide .curve { stroke-width: 4; }
  .wide .curve.raw { stroke-width: 2; }
}
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--muted); font-size: 12px; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; stroke: var(--train); }
.curve.raw { stroke-width: 1; stroke-opacity: .3; }
.curve.validation { stroke: var(--validation); }
.curve.run-0 { stroke: var(--phase-0); } .curve.run-1 { stroke: var(--phase-3); }
.curve.run-2 { stroke: var(--phase-1); } .curve.run-3 { stroke: var(--phase-2); }
.curve.run-4 { stroke: var(--phase-4); } .curve.run-5 { stroke: var(--phase-5); }
.swatch.run-0 { background: var(--phase-0); } .swatch.run-1 { background: var(--phase-3); }
.swatch.run-2 { background: var(--phase-1); } .swatch.run-3 { background: var(--phase-2); }
.swatch.run-4 { background: var(--phase-4); } .swatch.run-5 { background: var(--phase-5); }
.runs { float: none; margin-top: 16px; } .runs span { margin: 0 18px 0 0; }
.dot.validation { fill: var(--validation); stroke: var(--card); stroke-width: 1.5; }
.cross { stroke: var(--fault); stroke-width: 2; }
.fault b { color: var(--fault); }
.fault { border-color: var(--fault); }
.ring { fill: none; stroke: var(--validation); stroke-width: 1.5; }
.mark { fill: var(--validation); font-size: 13px; font-weight: 640; paint-order: stroke; stroke: var(--card); stroke-width: 4px; }
.stack { display: flex; height: 30px; border-radius: 7px; overflow: hidden; gap: 2px; }
.stack i { min-width: 2px; }
.phases { display: flex; flex-wrap: wrap; gap: 6px 26px; margin: 14px 0 0; padding: 0; list-style: none; font-size: 14px; }
.phases span { color: var(--muted); }
.phase-0 { background: var(--phase-0); } .phase-1 { background: var(--phase-1); }
.phase-2 { background: var(--phase-2); } .phase-3 { background: var(--phase-3); }
.phase-4 { background: var(--phase-4); } .phase-5 { background: var(--phase-5); }
.phase-6 { background: var(--phase-6); }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
td, th { padding: 5px 12px 5px 0; text-align: left; vertical-align: top; border-top: 1px solid var(--line); font-weight: 400; }
tr:first-child > * { border-top: 0; }
th { color: var(--muted); white-space: nowrap; }
td { overflow-wrap: anywhere; }
td:last-child, th:last-child { padding-right: 0; }
.numbers td { white-space: nowrap; }
.sections { display: grid; grid-template-columns: repeat(auto-fit, minmax(230px, 1fr)); gap: 22px 32px; }
.sections td, .sections tr:first-child th:not(:first-child) { text-align: right; }
.chips { display: flex; flex-wrap: wrap; gap: 8px; }
.chips span { padding: 3px 11px; border: 1px solid var(--line); border-radius: 99px; font-size: 14px; }
.empty { color: var(--muted); margin: 0; }
footer { margin-top: 22px; color: var(--muted); font-size: 13px; text-align: center; }
@media print { body { background: none; } section, .figure { break-inside: avoid; } }
)css";

}  // namespace ripieno::io
