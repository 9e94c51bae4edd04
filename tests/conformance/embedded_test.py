#!/usr/bin/env python3
"""Upstream's own conformance specs (its e2e.test program) against Operon alone: its API server, its
controllers and its scheduler, with three kwok nodes in the place of machines.

Expected: every spec of GROUPS passes, but those of CANNOT_PASS. E2E_ALL=1 adds SLOW_GROUPS, of which
e2e_test.py runs most against a real API server: a quarter of an hour in all. Needs e2e.test, kwok and
kubectl in REAL_BIN, and the fixture of REAL_KUBERNETES; skipped with the name of what is missing."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import OPERON, wait_for  # noqa: E402
from upstream import REAL_BIN, missing, run_specs  # noqa: E402

PROGRAMS = ("e2e.test", "kwok", "kubectl")
PORT = os.environ.get("E2E_EMBEDDED_PORT", "19643")
GROUPS = {
    "[sig-api-machinery]": ("Watchers", "AggregatedDiscovery", "Discovery should validate", "FieldValidation",
                            "Garbage collector", "Namespaces", "OrderedNamespaceDeletion", "server version",
                            "Servers with support for Table", "CustomResourceDefinition resources",
                            "CustomResourcePublishOpenAPI"),
    "[sig-apps]": ("DisruptionController",),
    "[sig-auth]": ("SubjectReview", "ServiceAccounts should (run through|update|guarantee)"),
    "[sig-instrumentation]": ("Events",),
}
SLOW_GROUPS = {
    "[sig-apps]": ("Deployment", "ReplicaSet"),
    "[sig-scheduling]": ("SchedulerPreemption", "SchedulerPredicates"),
}
CANNOT_PASS = {
    # kinds that are not served
    "discovery interface .Conf": "asks for admission webhooks' kinds",
    "discovery endpoint Accept headers": "asks for admission webhooks' kinds",
    "by rc": "ReplicationControllers", "rc around": "ReplicationControllers",
    "valid owner and owner": "ReplicationControllers",
    # texts
    "CRD with validation schema": "asks for upstream's descriptions of ObjectMeta's fields in explain",
    # what kwok can not show
    "serve a basic image": "kwok runs no containers: nothing answers HTTP",
    "same hostPort and protocol but one": "kwok nodes have no address to connect to",
}
LEAST = 42
NODE = """
---
apiVersion: v1
kind: Node
metadata:
  name: kwok-{0}
  labels: {{kubernetes.io/hostname: kwok-{0}, kubernetes.io/os: linux, topology.kubernetes.io/zone: z{0}}}
status:
  capacity: &all {{cpu: "16", memory: 32Gi, pods: "110", ephemeral-storage: 100Gi}}
  allocatable: *all
"""


def stages():
    """kwok's rules by which its nodes and their Pods come to life."""
    cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True).stdout.strip()
    files = []
    for pattern in ("node/fast/node-initialize.yaml", "node/heartbeat/node-heartbeat.yaml",
                    "pod/general/pod-*.yaml"):
        files += sorted(glob.glob(f"{cache}/sigs.k8s.io/kwok@*/kustomize/stage/{pattern}"))
    texts = []
    for name in files:
        with open(name) as f:
            texts.append(f.read())
    return "\n---\n".join(texts)


@unittest.skipIf(missing(*PROGRAMS), missing(*PROGRAMS))
class Embedded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="operon-e2e-")
        cls.config = os.path.join(cls.dir, "kubeconfig")
        cls.started = []
        cls.start("apiserver", OPERON, "apiserver", "--dir", cls.dir, "--port", PORT)
        wait_for("API server", 20, lambda: cls.kubectl("get", "--raw", "/readyz").returncode == 0)
        made = cls.kubectl("apply", "-f", "-", text="".join(NODE.format(i) for i in range(3)))
        assert made.returncode == 0, made.stderr
        rules = os.path.join(cls.dir, "stages.yaml")
        with open(rules, "w") as f:
            f.write(stages())
        cls.start("kwok", os.path.join(REAL_BIN, "kwok"), "--kubeconfig", cls.config,
                  "--manage-all-nodes=true", "--config", rules, "--node-lease-duration-seconds=40")
        cls.start("operon-run", OPERON, "run", "--kubeconfig", cls.config)

    @classmethod
    def tearDownClass(cls):
        for program in reversed(cls.started):
            program.terminate()
            program.wait(timeout=30)
        shutil.rmtree(cls.dir, ignore_errors=True)

    @classmethod
    def start(cls, name, *words):
        with open(os.path.join(cls.dir, name + ".log"), "w") as log:
            cls.started.append(subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT))

    @classmethod
    def kubectl(cls, *words, text=None):
        return subprocess.run([os.path.join(REAL_BIN, "kubectl"), "--kubeconfig", cls.config, *words],
                              capture_output=True, text=True, input=text)

    def test_specs(self):
        chosen = [*GROUPS.items(), *(SLOW_GROUPS.items() if os.environ.get("E2E_ALL") == "1" else ())]
        focus = "|".join(fr"\[{sig[1:-1]}\] ({'|'.join(groups)}).*\[Conformance\]"
                         for sig, groups in chosen)
        found = run_specs(self.dir, self.config, focus, CANNOT_PASS)
        failed = {n: f for n, f in found.items() if f}
        with open(os.path.join(self.dir, "operon-run.log")) as f:
            self.assertEqual(failed, {}, f"operon run's log ends:\n{f.read()[-3000:]}")
        self.assertGreaterEqual(len(found), LEAST, "specs that ran")
        for program in self.started:
            self.assertIsNone(program.poll(), f"{program.args[:2]} has ended")


if __name__ == "__main__":
    unittest.main(verbosity=2)
