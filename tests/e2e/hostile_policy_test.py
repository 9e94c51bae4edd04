#!/usr/bin/env python3
"""Hostile policies by every way into the program: as LuaPolicy objects of a cluster that goes on
with its work, as files of `operon run`, and in `operon test`."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import OPERON, ClusterTest, wait_for  # noqa: E402

LOOP = "while true do end"

# Name, body of scale(ctx), and what the status says of it or the size that the target gets.
SCALES = [
    ("loop", LOOP, "used up its"),
    ("loop-in-pcall", f"while true do pcall(function() {LOOP} end) end", "used up its"),
    ("loop-in-metamethod", f"return tostring(setmetatable({{}}, {{__tostring = function() {LOOP} end}}))",
     "used up its"),
    ("collide", "local t, n = {}, 4095 for i = 1, n do t[i * n] = true end local at, last = 1, n "
     "while true do t[at * n] = nil at = at + 1 last = last + 1 t[last * n] = true end", "used up its"),
    ("memory", "local t = {} for i = 1, 1e9 do t[i & 8191] = ('x'):rep(99999) .. i end", "used up its"),
    ("pattern", "return (('a'):rep(50000)):find(('a*'):rep(30) .. 'b')", "used up its"),
    ("error-object", "error(setmetatable({}, {__tostring = function() error({}) end}))", "non-string"),
    ("recursion", "local function f() return 1 + f() end return f()", "block"),
    ("os", "os.exit(1)", "'os'"),
    ("input", "ctx.replicas = 7", "read-only"),
    ("cycle", "local t = {} t.t = t return t", "nested"),
    ("nan", "return 0/0", "not-a-number"),
    ("infinity", "return math.huge", "infinity"),
    ("text", "return 'many'", "no number of replicas"),
    ("nothing", "return", "no number of replicas"),
    ("table", "return {replicas = 2}", "no number of replicas"),
    ("huge-float", "return 1e300", "no number of replicas"),
    ("huge", "return 2147483647, 'all of them'", 1),
    ("negative", "return -5", 0),
    ("fraction", "return 1.9", 1),
    ("long-reason", "return 1, ('\\u{20AC}'):rep(30000)", 1),
]


def deployment(name, replicas=0):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "default"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}},
                                  "spec": {"containers": [{"name": "c", "image": "operon.local/host",
                                                           "command": ["sleep", "3600"]}]}}}}


def policy(name, source, **spec):
    return {"apiVersion": "operon.local/v1", "kind": "LuaPolicy", "metadata": {"name": name, "namespace": "default"},
            "spec": dict(spec, source=source)}


def scaler(name, body):
    return policy(name, "return {scale = function(ctx) " + body + "\nend}", minReplicas=0, maxReplicas=1, periodMs=500,
                  target={"apiVersion": "apps/v1", "kind": "Deployment", "name": name})


class HostileObjects(ClusterTest):
    nodes = 1

    def apply(self, *objects):
        return self.cluster.operon("apply", "-f", "-", text="\n---\n".join(map(json.dumps, objects)))

    def named(self, kind):
        return {o["metadata"]["name"]: o for o in self.cluster.get(kind)["items"]}

    def ready(self, name):
        return self.named("deployments")[name].get("status", {}).get("readyReplicas", 0)

    def test_every_other_policy_goes_on(self):
        self.apply(*[deployment(name) for name, _, _ in SCALES], deployment("good"))
        self.apply(*[scaler(name, body) for name, body, _ in SCALES], scaler("good", "return 1, 'one'"))
        wait_for("the good one decides", 20, lambda: self.ready("good") == 1)

        def unlike():
            policies, targets = self.named("luapolicies"), self.named("deployments")
            wrong = []
            for name, _, want in SCALES:
                status = policies[name].get("status", {})
                if isinstance(want, int):
                    got = targets[name]["spec"]["replicas"]
                    is_same = got == want and status.get("desiredReplicas") == want
                else:
                    got = status.get("message", "")
                    is_same = want in got and targets[name]["spec"]["replicas"] == 0
                if not is_same:
                    wrong.append((name, want, got))
            return wrong
        end = time.monotonic() + 30
        while unlike() and time.monotonic() < end:
            time.sleep(0.3)
        self.assertEqual([], unlike())
        told = [e["message"] for e in self.cluster.get("events")["items"]
                if e["involvedObject"]["name"] == "long-reason" and e["reason"] == "SuccessfulRescale"]
        self.assertEqual(1, len(told))
        self.assertRegex(told[0], "^New size: 1; reason: \u20ac{100,170}\\.\\.\\.$")

        # The rest of the cluster works at its usual pace beside them.
        begin = time.monotonic()
        self.apply(deployment("beside", 1))
        wait_for("a Deployment beside them", 15, lambda: self.ready("beside") == 1)
        for _ in range(10):
            self.cluster.get("nodes")
        print(f"Deployment ready and ten requests answered in {time.monotonic() - begin:.2f} s")
        self.apply(scaler("loop", "return 1"))
        wait_for("a mended policy works", 15, lambda: self.ready("loop") == 1)

    def test_hostile_filter_is_named_and_gone_with_its_object(self):
        self.apply(policy("evil-filter", "return {filter = function() " + LOOP + " end}"))
        self.apply(policy("evil-score", "return {score = function() return 0/0 end}"))
        wait_for("loaded", 10, lambda: self.named("luapolicies")["evil-filter"].get("status", {}).get("ready"))
        self.apply(deployment("filtered", 1))
        wait_for("an event names it", 15, lambda: any(
            "evil-filter" in e.get("message", "") and "used up its" in e["message"]
            for e in self.cluster.get("events")["items"]))
        self.cluster.operon("delete", "luapolicy", "evil-filter")
        wait_for("scheduled without it", 40, lambda: self.ready("filtered") == 1)
        self.cluster.operon("delete", "luapolicy", "evil-score")


class HostileFiles(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="operon-evil-")

    def tearDown(self):
        shutil.rmtree(self.dir)

    def file(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def run_it(self, *words):
        begin = time.monotonic()
        done = subprocess.run([OPERON, *words], capture_output=True, text=True, errors="replace", timeout=20)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertGreaterEqual(done.returncode, 0, "ended by a signal")
        return done

    def test_operon_test_ends_with_a_clear_error(self):
        for i, (text, word) in enumerate((
                (LOOP, "used up its"), (b"\x1bLua", "bytecode"), ("", "empty"), ("x" * 70000, "larger than"),
                ("return " + "(" * 60000, "p"), ("return {", "expected"), (b"\xff\xfe\x00", "unexpected"),
                ("return {scale = function() end, tests = function() " + LOOP + " end}", "used up its"),
                ("return {scale = function() end, tests = {}}", "empty"),
                ("local t = {} t[1] = t return {scale = function() end, tests = t}", "nested"),
                ("return {scale = function() " + LOOP + " end, tests = {{name = 'a', input = {}, expect = 1}}}",
                 "used up its"))):
            path = self.file(f"p{i}.lua", text)
            done = self.run_it("test", path)
            self.assertEqual(1, done.returncode, text[:60])
            self.assertIn(word, done.stdout + done.stderr, text[:60])
            self.assertIn(f"p{i}.lua", done.stdout + done.stderr)

    def test_files_that_are_none(self):
        for path, word in ((self.dir, self.dir), (os.path.join(self.dir, "none.lua"), "none.lua"),
                           ("/dev/zero", "/dev/zero")):
            done = self.run_it("test", path)
            self.assertEqual(1, done.returncode, path)
            self.assertIn(word, done.stdout + done.stderr)

    def test_two_files_of_one_name(self):
        os.mkdir(os.path.join(self.dir, "a"))
        good = "return {score = function() return 1 end}"
        first, second = self.file("p.lua", good), self.file("a/p.lua", good)
        done = self.run_it("up", "--dir", os.path.join(self.dir, "c"), "--port", "0", "--detach", "--policy", first,
                           "--policy", second)
        self.run_it("down", "--dir", os.path.join(self.dir, "c"))
        self.assertEqual(1, done.returncode)
        self.assertIn("p.lua", done.stderr)
        self.assertIn("same name", done.stderr)

    def test_a_start_with_a_hostile_file_is_refused(self):
        folder = os.path.join(self.dir, "c")
        path = self.file("evil.lua", LOOP)
        done = self.run_it("up", "--dir", folder, "--port", "0", "--detach", "--policy", path)
        self.run_it("down", "--dir", folder)
        self.assertEqual(1, done.returncode, done.stdout)
        self.assertIn("evil.lua", done.stderr)
        self.assertIn("used up its", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
