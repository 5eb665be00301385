"""The files in deploy/ that no test can apply for real: their fields, commands and queries."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

try:
    import yaml
except ImportError:
    yaml = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
FIELDS = json.loads((pathlib.Path(__file__).parent / "mpijob_fields.json").read_text())

# The metrics of metrics.prom, from where they are written. A histogram has the last three besides its own name.
SOURCE = pathlib.Path(__file__).parents[2] / "training" / "metrics" / "prometheus_metrics.cpp"
METRICS = set(re.findall(r'"(ripieno_\w+)"', SOURCE.read_text()))
# For panels of one's own: what only some runs have.
NOT_SHOWN = {"ripieno_accuracy_ratio", "ripieno_alerts_total", "ripieno_loss_scale", "ripieno_metric",
             "ripieno_rollbacks_total", "ripieno_samples_per_second", "ripieno_samples_total",
             "ripieno_skipped_data_total", "ripieno_skipped_steps_total", "ripieno_tokens_per_second",
             "ripieno_validation_loss"}
HISTOGRAMS = {"ripieno_step_seconds"}
LABELS = {"run", "rank", "host", "model", "phase", "kind", "le"}

# Fields of a SkyPilot task that its documentation lists, and their types.
SKYPILOT = {"name": str, "num_nodes": int, "resources": dict, "workdir": str, "file_mounts": dict, "envs": dict,
            "setup": str, "run": str}
SKYPILOT_RESOURCES = {"accelerators": (str, dict), "use_spot": bool}


class FirstLines(unittest.TestCase):
    def test_say_what_was_not_applied_for_real(self):
        for path in DEPLOY.iterdir():
            first = path.read_text().splitlines()[0]
            if path.name == "slurm.sbatch":  # tests/cluster/slurm_test.py
                self.assertEqual(first, "#!/bin/bash")
                continue
            self.assertRegex(first, "Not built by Docker|Never (applied|launched|loaded)", path.name)


@unittest.skipUnless(yaml, "PyYAML is not installed")
class MpiJob(unittest.TestCase):
    TYPES = {"object": dict, "array": list, "integer": int, "string": str, "boolean": bool}

    def setUp(self):
        self.job = yaml.safe_load((DEPLOY / "mpijob.yaml").read_text())

    def check(self, value, path):
        """That the field exists in the definition, and its value has the type and is one of those allowed."""
        pattern = re.sub(r"mpiReplicaSpecs\.\w+", "mpiReplicaSpecs.*", re.sub(r"(limits|requests)\.\S+", r"\1.*", path))
        if pattern:
            self.assertTrue(pattern in FIELDS["fields"], f"{pattern} is not a field of the definition")
            field = FIELDS["fields"][pattern]
            self.assertIsInstance(value, tuple(self.TYPES[name] for name in field["type"].split("|")), path)
            self.assertIn(value, field.get("enum", [value]), path)
            for name in field.get("required", []):
                self.assertIn(name, value, path)
        if isinstance(value, dict):
            for name, inner in value.items():
                self.check(inner, f"{path}.{name}".lstrip("."))
        for inner in value if isinstance(value, list) else []:
            self.check(inner, f"{path}[]")

    def test_has_only_fields_of_the_definition(self):
        self.assertEqual(self.job["apiVersion"], f"{FIELDS['group']}/{FIELDS['version']}")
        self.assertEqual(self.job["kind"], FIELDS["kind"])
        self.check(self.job, "")

    def test_agrees_with_the_image(self):
        dockerfile = (DEPLOY / "Dockerfile").read_text()
        self.assertEqual(set(self.job["spec"]["mpiReplicaSpecs"]), {"Launcher", "Worker"})
        self.assertEqual(self.job["spec"]["sshAuthMountPath"], "/home/ripieno/.ssh")
        for replica in self.job["spec"]["mpiReplicaSpecs"].values():
            pod = replica["template"]["spec"]
            self.assertIn(f"--uid {pod['securityContext']['runAsUser']} ripieno", dockerfile)
            volumes = {volume["name"] for volume in pod["volumes"]}
            for mount in pod["containers"][0]["volumeMounts"]:
                self.assertIn(mount["name"], volumes)
        worker = self.job["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]["containers"][0]
        self.assertIn(f">{worker['command'][-1]}\n", dockerfile)
        self.assertIn(f"'Port {worker['readinessProbe']['tcpSocket']['port']}'", dockerfile)


@unittest.skipUnless(yaml, "PyYAML is not installed")
class SkyPilot(unittest.TestCase):
    def setUp(self):
        self.task = yaml.safe_load((DEPLOY / "skypilot.yaml").read_text())

    def test_has_only_documented_fields(self):
        for fields, value in ((SKYPILOT, self.task), (SKYPILOT_RESOURCES, self.task["resources"])):
            for name, inner in value.items():
                self.assertIn(name, fields)
                self.assertIsInstance(inner, fields[name], name)
        subprocess.run(["bash", "-n", "-c", self.task["setup"]], check=True)

    def run_on(self, rank):
        """What ripieno is called with on this machine of two, and the host file that it finds."""
        with tempfile.TemporaryDirectory() as directory:
            fake = pathlib.Path(directory) / "ripieno"
            fake.write_text('#!/bin/sh\necho "$*"\ncat hosts\n')
            fake.chmod(0o755)
            environment = {"PATH": f"{directory}:{os.environ['PATH']}", "SKYPILOT_NODE_RANK": str(rank),
                           "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_NUM_GPUS_PER_NODE": "8",
                           **self.task["envs"]}
            ended = subprocess.run(["bash", "-c", self.task["run"]], env=environment, cwd=directory,
                                   capture_output=True, text=True, check=True)
        return ended.stdout

    def test_starts_the_ranks_of_all_machines_from_the_first(self):
        self.assertEqual(self.run_on(0), "launch --hostfile hosts -- train_gpt --config gpt.toml --run-dir "
                         "/shared/runs/gpt\n10.0.0.1 slots=8\n10.0.0.2 slots=8\n")
        self.assertEqual(self.run_on(1), "")


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.dashboard = json.loads((DEPLOY / "grafana.json").read_text())

    def queries(self):
        for panel in self.dashboard["panels"]:
            self.assertTrue(panel["targets"], panel["title"])
            for target in panel["targets"]:
                yield panel["title"], target["expr"]
        for variable in self.dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield variable["name"], variable["query"]

    def test_asks_only_for_metrics_that_a_run_writes(self):
        asked = set()
        for title, query in self.queries():
            for name in re.findall(r"\bripieno_\w+", query):
                histogram = re.sub("_(bucket|sum|count)$", "", name)
                name = histogram if histogram in HISTOGRAMS else name
                self.assertIn(name, METRICS, title)
                asked.add(name)
        self.assertEqual(METRICS - asked - NOT_SHOWN, set(), "metrics without a panel")

    def test_asks_a_histogram_for_its_buckets_and_others_not(self):
        for title, query in self.queries():
            for name in re.findall(r"\bripieno_\w+", query):
                if re.sub("_(bucket|sum|count)$", "", name) in HISTOGRAMS:
                    self.assertRegex(name, "_(bucket|sum|count)$", title)

    def test_selects_by_labels_that_the_metrics_have(self):
        for title, query in self.queries():
            for group in re.findall(r"\bby \(([^)]*)\)|\{([^}]*)\}|ignoring \(([^)]*)\)", query):
                for label in re.findall(r"\b([a-z]+)\b(?=[=~,)]|$)", re.sub(r'"[^"]*"', "", " ".join(group).strip())):
                    self.assertIn(label, LABELS, title)

    def test_has_panels_that_do_not_overlap(self):
        taken = set()
        for panel in self.dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertLessEqual(at["x"] + at["w"], 24)
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells
        ids = [panel["id"] for panel in self.dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))


if __name__ == "__main__":
    unittest.main()
