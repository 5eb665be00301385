#!/usr/bin/env python3
"""The readers of others read what a run writes: TensorBoard its event files, prometheus_client its
metrics. Each is skipped if it is not installed (RIPIENO_PYTHON_PACKAGES: a folder with packages)."""
import glob
import os
import sys
import unittest

import programs

if os.environ.get("RIPIENO_PYTHON_PACKAGES"):
    sys.path.insert(0, os.environ["RIPIENO_PYTHON_PACKAGES"])
try:
    from tensorboard.backend.event_processing import event_accumulator
except ImportError:
    event_accumulator = None
try:
    from prometheus_client import parser
except ImportError:
    parser = None


@unittest.skipUnless(event_accumulator, "TensorBoard is not installed")
class TensorBoard(programs.ProgramTest):
    STEPS = 60

    def read(self, run):
        sizes = {name: 0 for name in ("scalars", "histograms", "tensors")}  # 0: all of them
        events = event_accumulator.EventAccumulator(str(self.directory / run / "events"), sizes)
        events.Reload()
        return events

    def test_shows_the_curves_and_the_configuration(self):
        ended = self.train("run", "--set", "metrics.histograms_every=30")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        events = self.read("run")
        self.assertEqual([point.step for point in events.Scalars("train/loss")], list(range(1, 61)))
        self.assertEqual([point.step for point in events.Scalars("validation/loss")], [40, 60])
        text = events.Tensors("configuration/text_summary" if "configuration/text_summary" in
                              events.Tags()["tensors"] else "configuration")
        self.assertIn(b"learning_rate", text[0].tensor_proto.string_val[0])
        histograms = [tag for tag in events.Tags()["histograms"] if tag.startswith("gradients/")]
        self.assertTrue(histograms)
        self.assertEqual([point.step for point in events.Histograms(histograms[0])], [30, 60])

    def test_shows_one_curve_after_a_resume_from_an_earlier_step(self):
        self.assertEqual(self.train("run", "--steps", 35).returncode, 0)
        # The run continues from step 30: the points from 31 to 35 are not of it anymore.
        for path in glob.glob(str(self.directory / "run/checkpoints/step_*35*")):
            os.rename(path, path + ".set_aside")
        ended = self.train("run")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(len(os.listdir(self.directory / "run/events")), 2)
        steps = [point.step for point in self.read("run").Scalars("train/loss")]
        self.assertEqual(steps, list(range(1, 61)))


@unittest.skipUnless(parser, "prometheus_client is not installed")
class Prometheus(programs.ProgramTest):
    STEPS = 20

    def test_parses_the_metrics(self):
        ended = self.train("run")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        text = (self.directory / "run/metrics.prom").read_text()
        families = {family.name: family for family in parser.text_string_to_metric_families(text)}
        self.assertEqual(families["ripieno_step"].samples[0].value, 20)
        self.assertEqual(families["ripieno_step_seconds"].type, "histogram")
        count = [sample for sample in families["ripieno_step_seconds"].samples if sample.name.endswith("_count")]
        self.assertEqual(count[0].value, 20)
        for family in families.values():
            self.assertTrue(family.documentation)
            for sample in family.samples:
                self.assertEqual(sample.labels["run"], "run")


if __name__ == "__main__":
    unittest.main()
