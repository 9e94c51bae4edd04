#!/usr/bin/env python3
"""kill -9 of the whole cluster right after an acknowledged write, again and again: every acknowledged
object is there afterwards, and running containers are adopted, not started again."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import Cluster, wait_for  # noqa: E402

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "20"))
CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: w%d}\ndata: {round: 'r%d'}\n"
POD = """
apiVersion: v1
kind: Pod
metadata: {name: stays}
spec: {terminationGracePeriodSeconds: 1, containers: [{name: c, image: operon.local/host, command: [sleep, "36000"]}]}
"""


class Crash(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster(1)

    def tearDown(self):
        self.cluster.down()

    def container(self):
        status = self.cluster.get("pod", "stays").get("status", {})
        found = status.get("containerStatuses", [{}])[0]
        return found if "running" in found.get("state", {}) else None

    def test_nothing_acknowledged_is_lost(self):
        c = self.cluster
        c.up()
        c.operon("apply", "-f", "-", text=POD)
        first = wait_for("pod running", 15, self.container)
        for i in range(ROUNDS):
            c.operon("apply", "-f", "-", text=CM % (i, i))
            c.kill_all()
            c.up()
            for j in range(i + 1):
                self.assertEqual(f"r{j}", c.get("configmap", f"w{j}")["data"]["round"])
        again = wait_for("pod running", 15, self.container)
        self.assertEqual(first["restartCount"], again["restartCount"])
        self.assertEqual(first["containerID"], again["containerID"])
        self.assertEqual(first["state"]["running"]["startedAt"], again["state"]["running"]["startedAt"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
