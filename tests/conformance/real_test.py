#!/usr/bin/env python3
"""The Deployment and ReplicaSet plugins, unchanged, against a real kube-apiserver: create, roll, scale,
roll back, delete. Takes KUBECONFIG where it is set (nodes must run pods), else starts the fixture of
REAL_KUBERNETES (a folder with up.sh and down.sh, built binaries); skipped where neither is there."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from cluster import OPERON, wait_for  # noqa: E402

REAL = os.environ.get("REAL_KUBERNETES", os.path.join(HERE, "../../../shared/real"))
REAL_BIN = os.environ.get("REAL_BIN", os.path.expanduser("~/.cache/real-kubernetes/bin"))
PORT = "19443"
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: operon-conformance}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "registry.example/web:1"}]
"""


def has_fixture():
    programs = ("kube-apiserver", "etcd", "kubectl", "kwok", "kube-scheduler")
    return os.path.exists(os.path.join(REAL, "up.sh")) and shutil.which("go") is not None and \
        all(os.path.exists(os.path.join(REAL_BIN, p)) for p in programs)


@unittest.skipUnless(os.environ.get("KUBECONFIG") or has_fixture(),
                     "no KUBECONFIG, and no built kube-apiserver fixture")
class Real(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="operon-conformance-")
        cls.manager = None
        cls.kubectl_program = shutil.which("kubectl") or os.path.join(REAL_BIN, "kubectl")
        cls.config = os.environ.get("KUBECONFIG")
        cls.started = not cls.config
        if cls.started:
            done = subprocess.run(["bash", os.path.join(REAL, "up.sh"), cls.dir, PORT],
                                  env=dict(os.environ, WITH="nodes scheduler", REAL_BIN=REAL_BIN,
                                           DISABLE_ADMISSION="ServiceAccount"),
                                  capture_output=True, text=True, timeout=120)
            if done.returncode != 0:
                raise AssertionError(done.stderr)
            cls.config = os.path.join(cls.dir, "admin.kubeconfig")
        cls.log = open(os.path.join(cls.dir, "operon.log"), "w")
        cls.manager = subprocess.Popen([OPERON, "run", "--kubeconfig", cls.config, "--plugin",
                                        "deployment", "--plugin", "replicaset", "--plugin", "gc",
                                        "--plugin", "nodelifecycle"],
                                       stdout=cls.log, stderr=subprocess.STDOUT)
        cls.k("create", "namespace", "operon-conformance")

    @classmethod
    def tearDownClass(cls):
        if cls.manager:
            cls.manager.terminate()
            cls.status = cls.manager.wait(timeout=30)
        cls.log.close()
        if cls.started:
            subprocess.run(["bash", os.path.join(REAL, "down.sh"), cls.dir], capture_output=True)
        shutil.rmtree(cls.dir, ignore_errors=True)

    @classmethod
    def k(cls, *args, text=None, check=True):
        done = subprocess.run([cls.kubectl_program, "--kubeconfig", cls.config, *args],
                              capture_output=True, text=True, input=text, timeout=90)
        if check and done.returncode != 0:
            with open(cls.log.name) as f:
                raise AssertionError(f"kubectl {args}: {done.stderr}\n{f.read()[-3000:]}")
        return done.stdout

    def status(self):
        return json.loads(self.k("get", "deploy", "web", "-n", "operon-conformance", "-o", "json"))

    def test_life_of_a_deployment(self):
        ns = ("-n", "operon-conformance")
        self.k("apply", "-f", "-", text=WEB)
        self.k("rollout", "status", "deploy/web", "--timeout=60s", *ns)
        self.assertEqual(3, self.status()["status"]["availableReplicas"])
        self.k("set", "image", "deploy/web", "c=registry.example/web:2", *ns)
        self.k("rollout", "status", "deploy/web", "--timeout=60s", *ns)
        sets = json.loads(self.k("get", "rs", "-o", "json", *ns))["items"]
        self.assertEqual([0, 3], sorted(s["spec"]["replicas"] for s in sets))
        self.k("scale", "deploy/web", "--replicas=5", *ns)
        wait_for("five", 30, lambda: self.status()["status"].get("availableReplicas") == 5)
        self.k("rollout", "undo", "deploy/web", *ns)
        self.k("rollout", "status", "deploy/web", "--timeout=60s", *ns)
        self.assertEqual("registry.example/web:1", self.status()["spec"]["template"]["spec"]
                         ["containers"][0]["image"])
        self.assertEqual("3", self.status()["metadata"]["annotations"]
                         ["deployment.kubernetes.io/revision"])
        self.k("delete", "deploy", "web", *ns)
        wait_for("pods gone", 60, lambda: not json.loads(self.k("get", "pods", "-o", "json", *ns))["items"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
