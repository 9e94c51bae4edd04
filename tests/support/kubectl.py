"""Stock kubectl on a cluster of the test's own."""
import json
import os
import shutil
import unittest

from cluster import ClusterTest, find_kubectl

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: c
        image: operon.local/host
        command: [sh, -c, "echo hello from $0; echo bye; exec sleep 3600", one]
        resources: {requests: {cpu: 10m}}
"""


@unittest.skipUnless(find_kubectl(), "no kubectl on this machine; set KUBECTL to one")
class KubectlTest(ClusterTest):
    def k(self, *args, **kw):
        return self.cluster.kubectl(*args, kubectl=find_kubectl(), **kw)

    def refused(self, *args, **kw):
        """The command fails; what it says on standard error."""
        done = self.k(*args, check=False, **kw)
        self.assertNotEqual(0, done.returncode, f"kubectl {' '.join(args)} was not refused: {done.stdout}")
        return done.stderr

    def path(self, expression, *args):
        return self.k("get", *args, "-o", f"jsonpath={{{expression}}}")

    def object(self, *args):
        return json.loads(self.k("get", *args, "-o", "json"))

    def names(self, *args):
        return sorted(self.k("get", *args, "-o", "name").split())

    def folder(self, name, **files):
        """A folder of YAML files in the cluster's directory; its path."""
        path = os.path.join(self.cluster.dir, name)
        shutil.rmtree(path, ignore_errors=True)
        os.mkdir(path)
        for file, text in files.items():
            with open(os.path.join(path, file + ".yaml"), "w") as f:
                f.write(text)
        return path
