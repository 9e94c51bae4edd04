"""A cluster of a user without privileges: Pods on the host's network, Services through the balancer."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from cluster import OPERON, BUILD, wait_for  # noqa: E402

NOBODY = 65534
SHIFT = 20000  # a Service's port P listens on P + SHIFT

PODS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec:
  selector: {app: none}
  ports: [{port: 80}]
"""

POD = """
---
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: shop
    image: operon.local/host
    command: [%(shop)s, --port, "%(port)d", --work-us, "0"]
    env: [{name: POD_NAME, value: %(name)s}]
    ports: [{name: http, containerPort: %(port)d}]
    readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
"""

ASKER = """
---
apiVersion: v1
kind: Pod
metadata: {name: asker}
spec:
  restartPolicy: Never
  containers:
  - name: ask
    image: operon.local/host
    command: [sh, -c, 'env | grep SERVICE_']
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def reachable_by_nobody(path):
    """Every folder on the way lets others through, and others may run the file."""
    rights = os.stat(path).st_mode & 0o5
    while path != "/" and rights & 1:
        path = os.path.dirname(path)
        rights = os.stat(path).st_mode & 0o1
    return bool(rights & 1)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root and setpriv to become another user")
@unittest.skipUnless(reachable_by_nobody(os.path.realpath(OPERON)), "others may not run the build's programs")
class Unprivileged(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="operon-test-")
        os.chown(cls.dir, NOBODY, NOBODY)
        cls.environment = {"PATH": os.environ["PATH"], "HOME": cls.dir}
        cls.operon("up", "--nodes", "2", "--port", "0", "--detach")

    @classmethod
    def tearDownClass(cls):
        cls.operon("down")
        shutil.rmtree(cls.dir, ignore_errors=True)

    @classmethod
    def operon(cls, *args, text=None):
        done = subprocess.run(
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", OPERON, *args, "--dir", cls.dir],
            capture_output=True, text=True, env=cls.environment, timeout=90, input=text, cwd=cls.dir)
        if done.returncode != 0:
            raise AssertionError(f"operon {' '.join(args)}: {done.stderr}{done.stdout}")
        return done.stdout

    @classmethod
    def get(cls, kind, name):
        return json.loads(cls.operon("get", kind, name, "-o", "json"))

    @staticmethod
    def ask(address, port):
        """Name of the server that answers; None where nobody does."""
        try:
            with urllib.request.urlopen(f"http://{address}:{port}/work", timeout=5) as answer:
                return json.load(answer)["server"]
        except OSError:
            return None

    def place(self, service):
        address = self.get("service", service)["spec"]["clusterIP"]
        return re.sub(r"^\d+", "127", address), 80 + SHIFT

    def test_a_service_with_two_pods_answers_through_the_balancer(self):
        shop = os.path.join(os.path.abspath(BUILD), "examples/shop")
        text = PODS
        for name in ("web-a", "web-b"):
            text += POD % {"name": name, "shop": shop, "port": free_port()}
        self.operon("apply", "-f", "-", text=text)
        address, port = self.place("web")
        wait_for("the Service answers", 20, lambda: self.ask(address, port))
        seen = set()
        wait_for("both Pods answer", 20, lambda: seen.add(self.ask(address, port)) or len(seen - {None}) == 2)
        self.assertEqual(seen - {None}, {"web-a", "web-b"})

        refused = self.place("nobody")
        self.assertIsNone(self.ask(*refused), "a Service without endpoints refuses")

        self.operon("apply", "-f", "-", text=ASKER)
        wait_for("the asker ends", 20, lambda: self.get("pod", "asker")["status"].get("phase") == "Succeeded")
        told = self.operon("logs", "asker")
        self.assertIn(f"WEB_SERVICE_HOST={address}\n", told)
        self.assertIn(f"WEB_SERVICE_PORT={port}\n", told)
        self.assertIn("KUBERNETES_SERVICE_HOST=127.0.0.1\n", told)

        self.operon("delete", "pod", "web-a")
        answers = wait_for("only the other is left", 20, lambda: (
            lambda s: s if s == {"web-b"} else None)({self.ask(address, port) for _ in range(10)}))
        self.assertEqual(answers, {"web-b"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
