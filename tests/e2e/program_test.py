#!/usr/bin/env python3
"""The program itself: start, size, two clusters side by side, bad input."""
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import OPERON, Cluster, is_alive, wait_for  # noqa: E402


class Program(unittest.TestCase):
    def test_up_is_quick_and_small(self):
        c = Cluster(1)
        try:
            seconds = c.up()
            memory = c.memory_mib()
            print(f"Ready in {seconds:.2f} s, {memory:.1f} MiB in all processes")
            self.assertLess(memory, 60)
        finally:
            c.down()

    def test_two_clusters_side_by_side(self):
        a, b = Cluster(1), Cluster(1)
        try:
            a.up()
            b.up()
            a.operon("apply", "-f", "-", text="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only-a}\n")
            self.assertEqual("only-a", a.get("configmap", "only-a")["metadata"]["name"])
            self.assertIn("not found", self.fails(b, "get", "configmap", "only-a"))
            again = subprocess.run([OPERON, "up", "--dir", a.dir], capture_output=True, text=True)
            self.assertEqual(1, again.returncode)
            self.assertIn("runs in", again.stderr)
        finally:
            a.down()
            b.down()

    def fails(self, cluster, *args):
        done = subprocess.run([OPERON, *args, "--dir", cluster.dir], capture_output=True, text=True)
        self.assertNotEqual(0, done.returncode)
        return done.stderr

    def test_bad_words_name_the_nearest(self):
        for words, near in ((["upp"], "did you mean 'up'"), (["up", "--node", "3"], "did you mean --nodes"),
                            (["get", "pods", "-o", "yml", "--dir", "/nonexistent"], "yaml"),
                            (["up", "--nodes", "many"], "whole number")):
            done = subprocess.run([OPERON, *words], capture_output=True, text=True)
            self.assertNotEqual(0, done.returncode, words)
            self.assertIn(near, done.stderr)

    def test_own_client(self):
        """apply, get with a watch, logs, scale and delete by the program's own client."""
        c = Cluster(1)
        pod = ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {terminationGracePeriodSeconds: 1, "
               "containers: [{name: c, image: operon.local/host, command: [sh, -c, 'echo one; echo two; sleep 60']}]}\n")
        try:
            c.up()
            watch = subprocess.Popen([OPERON, "get", "pods", "-w", "--dir", c.dir], stdout=subprocess.PIPE,
                                     text=True)
            self.assertIn("created", c.operon("apply", "-f", "-", text=pod))
            self.assertIn("unchanged", c.operon("apply", "-f", "-", text=pod))
            wait_for("running", 10, lambda: "Running" in c.operon("get", "pods"))
            wait_for("log", 5, lambda: c.operon("logs", "p") == "one\ntwo\n")
            follow = subprocess.Popen([OPERON, "logs", "-f", "p", "--dir", c.dir], stdout=subprocess.PIPE,
                                      text=True)
            self.assertEqual("one\n", follow.stdout.readline())
            follow.terminate()
            follow.communicate()
            self.assertIn("p", c.operon("get", "pods", "-o", "name"))
            self.assertIn("kind: Pod", c.operon("get", "pod", "p", "-o", "yaml"))
            self.assertIn("deleted", c.operon("delete", "pod", "p"))
            wait_for("gone", 10, lambda: c.get("pods")["items"] == [])
            watch.terminate()
            seen, _ = watch.communicate()
            self.assertIn("NAME", seen)
            self.assertIn("Running", seen)
            self.assertIn("not found", self.fails(c, "logs", "nothere"))
        finally:
            c.down()

    def test_a_node_dies_and_comes_back(self):
        c = Cluster(2, "--node-grace", "2s")
        try:
            c.up()
            before = c.pids()
            c.operon("node", "kill", "node-2")
            wait_for("dead", 10, lambda: "NotReady" in c.operon("get", "nodes"))
            c.operon("node", "start", "node-2")
            wait_for("back", 10, lambda: "NotReady" not in c.operon("get", "nodes"))
            self.assertNotEqual(before["node-2"], c.pids()["node-2"])
            started = c.pids()["node-2"]
        finally:
            c.down()
        self.assertFalse(is_alive(started), "down ends a node that was started again")

    def test_help_of_every_command(self):
        listing = subprocess.run([OPERON, "--help"], capture_output=True, text=True).stdout
        names = [line.split()[0] for line in listing.split("\n") if line.startswith("  ")]
        self.assertIn("up", names)
        for name in names:
            if name != "version":
                text = subprocess.run([OPERON, name, "--help"], capture_output=True, text=True)
                self.assertEqual(0, text.returncode, name)
                self.assertIn(f"usage: operon {name}", text.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
