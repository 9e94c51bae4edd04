#!/usr/bin/env python3
"""The program itself: start, size, two clusters side by side, bad input."""
import json
import os
import pty
import shutil
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
        a, b, third = Cluster(1), Cluster(1), Cluster(1)
        try:
            a.up()
            b.up()
            a.operon("apply", "-f", "-", text="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: only-a}\n")
            self.assertEqual("only-a", a.get("configmap", "only-a")["metadata"]["name"])
            self.assertIn("not found", self.fails(b, "get", "configmap", "only-a"))
            with open(os.path.join(a.dir, "cluster.json")) as f:
                port = json.load(f)["port"]
            taken = subprocess.run([OPERON, "up", "--dir", third.dir, "--port", str(port), "--detach"],
                                   capture_output=True, text=True)
            self.assertEqual(1, taken.returncode)
            self.assertIn("in use", taken.stderr)
            again = subprocess.run([OPERON, "up", "--dir", a.dir], capture_output=True, text=True)
            self.assertEqual(1, again.returncode)
            self.assertIn("runs in", again.stderr)
        finally:
            a.down()
            b.down()
            third.down()

    def fails(self, cluster, *args):
        done = subprocess.run([OPERON, *args, "--dir", cluster.dir], capture_output=True, text=True)
        self.assertNotEqual(0, done.returncode)
        return done.stderr

    def test_bad_words_name_the_nearest(self):
        for words, near in ((["upp"], "did you mean 'up'"), (["up", "--node", "3"], "did you mean --nodes"),
                            (["get", "pods", "-o", "yml", "--dir", "/nonexistent"], "'yaml'"),
                            (["up", "--nodes", "many"], "whole number"), (["up", "--port", "70000"], "65535"),
                            (["up", "now"], "no argument 'now'"), (["node", "kil", "1"], "'kill'"),
                            (["completion", "bsh"], "'bash'"), (["new", "controler", "x"], "'controller'"),
                            (["agent", "--roles", "pods,prox"], "'proxy'"), (["help", "verson"], "'version'")):
            done = subprocess.run([OPERON, *words], capture_output=True, text=True)
            self.assertEqual(2, done.returncode, words)
            self.assertIn(near, done.stderr)

    def test_new_refuses_bad_names(self):
        for name in ("Web", "1web", "web-", "we/b", "../web", "w" * 41, ""):
            done = subprocess.run([OPERON, "new", "policy", name, "--dir", "/nonexistent/x"],
                                  capture_output=True, text=True)
            self.assertEqual(2, done.returncode, name)

    def test_up_shows_what_comes_up(self):
        c = Cluster(2)
        try:
            lines = c.operon("up", "--nodes", "2", "--port", "0", "--detach").split("\n")
            parts = [line.split("  ")[1] for line in lines if " ready " in line]
            self.assertEqual(["API server", "controllers and scheduler", "node-1", "node-2"], sorted(parts))
            self.assertFalse(any("\033" in line for line in lines))
            c.operon("down")
            # On a terminal the rows are drawn in place.
            leader, follower = pty.openpty()
            subprocess.run([OPERON, "up", "--dir", c.dir, "--detach"], stdout=follower, check=True, env=c.env)
            text = os.read(leader, 65536).decode()
            self.assertIn("\033[", text)
            self.assertIn("starting", text)
            os.close(leader)
            os.close(follower)
        finally:
            c.down()

    def test_apiserver_alone_and_run_by_the_environment(self):
        c = Cluster(1)
        server = subprocess.Popen([OPERON, "apiserver", "--dir", c.dir, "--port", "0"], env=c.env,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        runner = None
        try:
            wait_for("kubeconfig", 10, lambda: os.path.exists(c.kubeconfig))
            self.assertEqual(0o600, os.stat(c.kubeconfig).st_mode & 0o777)
            deployment = json.dumps({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
                "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
                    "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
            wait_for("applied", 10, lambda: "created" in c.operon("apply", "-f", "-", text=deployment, check=False))
            self.assertEqual([], c.get("replicasets")["items"], "no controllers run yet")
            lost = subprocess.run([OPERON, "run"], env=dict(c.env, HOME=c.dir), capture_output=True, text=True)
            self.assertEqual(1, lost.returncode)
            self.assertIn("--kubeconfig", lost.stderr)
            runner = subprocess.Popen([OPERON, "run", "--plugin", "deployment"],
                                      env=dict(c.env, KUBECONFIG=c.kubeconfig), stderr=subprocess.DEVNULL)
            wait_for("rolled out", 10, lambda: c.get("replicasets")["items"])
        finally:
            for process in filter(None, (runner, server)):
                process.terminate()
                self.assertEqual(0, process.wait(20))
            c.down()

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "becomes another user: needs root")
    def test_up_without_privileges(self):
        c = Cluster(1)
        user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        if subprocess.run([*user, OPERON, "version"], capture_output=True).returncode != 0:
            self.skipTest(f"another user can not read {OPERON}")
        os.chmod(c.dir, 0o777)
        env = dict(c.env, HOME=c.dir)
        env.pop("XDG_RUNTIME_DIR", None)
        try:
            done = subprocess.run([*user, OPERON, "up", "--dir", c.dir, "--port", "0", "--detach"], env=env,
                                  capture_output=True, text=True, timeout=60)
            self.assertEqual(0, done.returncode, done.stderr + c.logs())
            self.assertIn("Not root", done.stdout)
        finally:
            subprocess.run([*user, OPERON, "down", "--dir", c.dir], env=env, capture_output=True, timeout=60)
            shutil.rmtree(c.dir, ignore_errors=True)

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
            text = subprocess.run([OPERON, name, "--help"], capture_output=True, text=True)
            self.assertEqual(0, text.returncode, name)
            self.assertIn(f"usage: operon {name}", text.stdout)
            about = subprocess.run([OPERON, "help", name], capture_output=True, text=True)
            self.assertEqual(text.stdout, about.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
