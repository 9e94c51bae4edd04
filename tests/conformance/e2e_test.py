#!/usr/bin/env python3
"""Upstream's own conformance specs (its e2e.test program) against our Deployment, ReplicaSet and
scheduler plugins, in the place of Kubernetes' loops: a real kube-apiserver, kube-controller-manager
without those two controllers, no kube-scheduler, three kwok nodes.

Expected: every [Conformance] spec of Deployment, ReplicaSet and SchedulerPredicates passes that
passes with Kubernetes' own loops on the same bench, which is all but those of CANNOT_PASS. With
E2E_UPSTREAM=1 the bench runs Kubernetes' own loops, and all of the specs, to find that out again.

Needs e2e.test and the other programs in REAL_BIN, and the fixture of REAL_KUBERNETES; skipped with the
name of what is missing. The specs run one after the other: those of the scheduler are [Serial]."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import OPERON  # noqa: E402
from upstream import REAL, REAL_BIN, missing, run_specs  # noqa: E402

PORT = os.environ.get("E2E_PORT", "19543")
UPSTREAM = os.environ.get("E2E_UPSTREAM") == "1"
PROGRAMS = ("e2e.test", "kube-apiserver", "etcd", "kubectl", "kwok", "kube-controller-manager",
            "kube-scheduler")
# What the bench can not show, whoever runs the loops; found by measurement.
CANNOT_PASS = {
    "serve a basic image": "kwok runs no containers: nothing answers HTTP",
    "same hostPort and protocol but one": "kwok nodes have no address to connect to",
}
FOCUS = r"\[sig-apps\] (Deployment|ReplicaSet) .*\[Conformance\]|SchedulerPredicates.*\[Conformance\]"
EXPECTED = {"Deployment": 8, "ReplicaSet": 5, "SchedulerPredicates": 3}


@unittest.skipIf(missing(*PROGRAMS), missing(*PROGRAMS))
class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="operon-e2e-")
        cls.manager = None
        cls.log = open(os.path.join(cls.dir, "operon.log"), "w")
        own = {"WITH": "nodes controllers",
               "CONTROLLERS": "*,-deployment-controller,-replicaset-controller"}
        done = subprocess.run(["bash", os.path.join(REAL, "up.sh"), cls.dir, PORT],
                              env=dict(os.environ, REAL_BIN=REAL_BIN,
                                       **({"WITH": "nodes controllers scheduler"} if UPSTREAM else own)),
                              capture_output=True, text=True, timeout=180)
        if done.returncode != 0:
            cls.tearDownClass()
            raise AssertionError(done.stderr)
        cls.config = os.path.join(cls.dir, "admin.kubeconfig")
        if not UPSTREAM:
            cls.manager = subprocess.Popen([OPERON, "run", "--kubeconfig", cls.config, "--plugin",
                                            "deployment", "--plugin", "replicaset", "--plugin",
                                            "scheduler"], stdout=cls.log, stderr=subprocess.STDOUT)

    @classmethod
    def tearDownClass(cls):
        if cls.manager:
            cls.manager.terminate()
            cls.manager.wait(timeout=30)
        cls.log.close()
        subprocess.run(["bash", os.path.join(REAL, "down.sh"), cls.dir], capture_output=True)
        shutil.rmtree(cls.dir, ignore_errors=True)

    def test_specs(self):
        found = run_specs(self.dir, self.config, FOCUS, () if UPSTREAM else CANNOT_PASS)
        failed = {n: f for n, f in found.items()
                  if f and not any(known in n for known in CANNOT_PASS)}
        if failed:
            with open(self.log.name) as f:
                self.fail("\n\n".join(f"{n}\n{f}" for n, f in failed.items()) +
                          f"\n\noperon's log ends:\n{f.read()[-3000:]}")
        for group, least in EXPECTED.items():
            self.assertGreaterEqual(sum(group in n for n in found), least, group)
        if self.manager:
            self.assertIsNone(self.manager.poll(), "operon run has ended")


if __name__ == "__main__":
    unittest.main(verbosity=2)
