#!/usr/bin/env python3
"""Controllers in Lua: the Web example as a LuaPolicy object and as a file, hot reload, refusals."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
sys.path.insert(0, os.path.join(HERE, "../support"))
from cluster import OPERON, ClusterTest, wait_for  # noqa: E402


def read(*path):
    with open(os.path.join(ROOT, *path)) as f:
        return f.read()


WEB_LUA = read("examples/lua-web/web.lua")


def policy(name, source):
    return json.dumps({"apiVersion": "operon.local/v1", "kind": "LuaPolicy",
                       "metadata": {"name": name, "namespace": "default"}, "spec": {"source": source}})


def web(name, **spec):
    return json.dumps({"apiVersion": "demo.example/v1", "kind": "Web",
                       "metadata": {"name": name, "namespace": "default"}, "spec": spec})


class LuaController(ClusterTest):
    nodes = 1

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.operon("apply", "-f", os.path.join(ROOT, "examples/web-crd.yaml"))

    def apply(self, text):
        return self.cluster.operon("apply", "-f", "-", text=text)

    def find(self, kind, name):
        items = self.cluster.get(kind)["items"]
        return next((o for o in items if o["metadata"]["name"] == name), None)

    def condition(self, kind, name, which):
        o = self.find(kind, name) or {}
        return next((c for c in o.get("status", {}).get("conditions", []) if c["type"] == which), {})

    def events(self, name):
        return [e for e in self.cluster.get("events")["items"]
                if e.get("involvedObject", {}).get("name") == name]

    def patch_web(self, name, **spec):
        o = self.find("webs.demo.example", name)
        o["spec"].update(spec)
        del o["status"]
        self.apply(json.dumps(o))

    def test_web_from_creation_to_deletion(self):
        self.apply(policy("web", WEB_LUA))
        self.apply(web("hello", replicas=2, message="first", port=18080))
        wait_for("the Deployment", 15, lambda: self.find("deployments", "hello"))
        wait_for("ready", 30, lambda: self.condition("webs.demo.example", "hello", "Ready").get("status") == "True")
        o = self.find("webs.demo.example", "hello")
        self.assertEqual(2, o["status"]["readyReplicas"])
        self.assertEqual("True", self.condition("webs.demo.example", "hello", "Synced")["status"])
        for kind in ("deployments", "services", "configmaps"):
            owner = self.find(kind, "hello")["metadata"]["ownerReferences"][0]
            self.assertEqual(("Web", o["metadata"]["uid"], True), (owner["kind"], owner["uid"], owner["controller"]))
        self.assertEqual("first", self.find("configmaps", "hello")["data"]["index.html"])
        self.assertTrue(wait_for("events", 5, lambda: any(e["reason"] == "ChildCreated" for e in self.events("hello"))))

        self.patch_web("hello", replicas=1, message="second")
        wait_for("new size", 15, lambda: self.find("deployments", "hello")["spec"]["replicas"] == 1)
        wait_for("new page", 15, lambda: self.find("configmaps", "hello")["data"]["index.html"] == "second")
        wait_for("ready again", 30, lambda: self.find("webs.demo.example", "hello")["status"]["readyReplicas"] == 1)

        # What someone else takes away or changes comes back; what they add stays.
        self.cluster.operon("delete", "service", "hello")
        wait_for("the Service again", 15, lambda: self.find("services", "hello"))
        settled = self.find("deployments", "hello")["metadata"]["generation"]
        self.assertLess(settled, 6, "the Deployment is written again and again")

        # The garbage collector looks for new kinds every 30 s.
        self.cluster.operon("delete", "webs.demo.example", "hello")
        for kind in ("deployments", "services", "configmaps"):
            wait_for(f"{kind} gone", 120, lambda: not self.find(kind, "hello"))
        self.cluster.operon("delete", "luapolicy", "web")

    def test_hot_reload_and_errors(self):
        def config(value):
            return ('return { controller = { primary = "demo.example/v1/Web", owns = { "v1/ConfigMap" } }, '
                    'reconcile = function(web) return { children = { { apiVersion = "v1", kind = "ConfigMap", '
                    'metadata = { name = web.metadata.name .. "-c" }, data = { v = %s } } } } end }' % value)
        self.apply(policy("reload", config('"one"')))
        self.apply(web("r"))
        wait_for("first version", 15, lambda: (self.find("configmaps", "r-c") or {}).get("data") == {"v": "one"})
        self.apply(policy("reload", config('"two"')))
        wait_for("second version", 15, lambda: self.find("configmaps", "r-c")["data"] == {"v": "two"})

        # One that does not load: the last good one goes on and the object says why.
        self.apply(policy("reload", "return {"))
        wait_for("not ready", 15, lambda: self.condition("luapolicies", "reload", "Ready").get("status") == "False")
        self.assertIn("reload:1:", self.condition("luapolicies", "reload", "Ready")["message"])
        wait_for("event", 5, lambda: any(e["reason"] == "PolicyNotLoaded" for e in self.events("reload")))
        self.cluster.operon("delete", "configmap", "r-c")
        wait_for("made again by the last good one", 15,
                 lambda: (self.find("configmaps", "r-c") or {}).get("data") == {"v": "two"})

        # One that never ends: ended by the sandbox, told in the status of both objects.
        self.apply(policy("reload", config("(function() while true do end end)()")))
        wait_for("hindered", 15,
                 lambda: "used up its" in self.condition("luapolicies", "reload", "Reconciling").get("message", ""))
        self.assertEqual("PolicyFailed", self.condition("webs.demo.example", "r", "Synced")["reason"])
        # A kind that it does not declare.
        self.apply(policy("reload", config('"three"').replace('"v1/ConfigMap" }', '"v1/Service" }')))
        wait_for("refused", 15, lambda: "does not name"
                 in self.condition("webs.demo.example", "r", "Synced").get("message", ""))
        # And well again.
        self.apply(policy("reload", config('"four"')))
        wait_for("recovered", 15, lambda: self.find("configmaps", "r-c")["data"] == {"v": "four"})
        wait_for("says so", 15,
                 lambda: self.condition("luapolicies", "reload", "Reconciling").get("status") == "True")
        self.cluster.operon("delete", "webs.demo.example", "r")
        self.cluster.operon("delete", "luapolicy", "reload")

    def test_file_with_hot_reload(self):
        def source(value):
            return WEB_LUA.replace('["index.html"] = web.spec.message or ""', '["index.html"] = "%s"' % value)
        folder = tempfile.mkdtemp(prefix="operon-lua-")
        path, log = os.path.join(folder, "web.lua"), os.path.join(folder, "log")
        with open(path, "w") as f:
            f.write(source("one"))
        with open(log, "w") as out:
            run = subprocess.Popen([OPERON, "run", "--kubeconfig", self.cluster.kubeconfig, "--plugin", "policy",
                                    "--policy", path], stdout=out, stderr=out)
        def page():
            return ((self.find("configmaps", "f") or {}).get("data") or {}).get("index.html")
        def said(text):
            with open(log) as f:
                return text in f.read()
        try:
            self.apply(web("f", replicas=0))
            wait_for("the page", 30, lambda: page() == "one")
            with open(path, "w") as f:
                f.write(source("two"))
            wait_for("the new page", 15, lambda: page() == "two")
            with open(path, "w") as f:
                f.write("return {")
            wait_for("the refusal", 15, lambda: said("the last good one stays"))
            self.assertTrue(said("web.lua:1:"))
            self.cluster.operon("delete", "configmap", "f")
            wait_for("the last good one", 15, lambda: page() == "two")
            self.assertIsNone(run.poll())
        finally:
            run.terminate()
            run.wait(20)
            self.cluster.operon("delete", "webs.demo.example", "f", check=False)
            shutil.rmtree(folder)
        self.assertEqual(0, run.returncode)

    def test_offline_tests_of_policies(self):
        good = os.path.join(ROOT, "examples/lua-web/web.lua")
        with tempfile.TemporaryDirectory() as folder:
            bad, none = os.path.join(folder, "bad.lua"), os.path.join(folder, "none.lua")
            with open(bad, "w") as f:
                f.write(WEB_LUA.replace("replicas = web.spec.replicas or 1", "replicas = 7"))
            with open(none, "w") as f:
                f.write("return { scale = function() return 1 end }")
            for files, code, out, err in (([good], 0, "8 cases, 0 failed", ""),
                                          ([good, bad], 1, ".spec.replicas\n          want 3\n          got  7", ""),
                                          ([none, good], 1, "8 cases, 0 failed", "has no tests")):
                done = subprocess.run([OPERON, "test", *files], capture_output=True, text=True)
                self.assertEqual(code, done.returncode, done.stdout + done.stderr)
                self.assertIn(out, done.stdout)
                self.assertIn(err, done.stderr)

    def test_closed_kinds_are_refused(self):
        for kind in ("v1/Secret", "rbac.authorization.k8s.io/v1/RoleBinding"):
            self.apply(policy("greedy", 'return { controller = { primary = "demo.example/v1/Web", owns = { "%s" } }, '
                              'reconcile = function() return { children = {} } end }' % kind))
            wait_for(kind + " refused", 15, lambda: "closed to policies" in self.condition(
                "luapolicies", "greedy", "Reconciling").get("message", ""))
        self.apply(policy("greedy", 'return { controller = { primary = "v1/Namespace" }, '
                          'reconcile = function() return { children = {} } end }'))
        wait_for("cluster scope refused", 15, lambda: "no kind of objects in namespaces" in self.condition(
            "luapolicies", "greedy", "Reconciling").get("message", ""))
        self.cluster.operon("delete", "luapolicy", "greedy")


if __name__ == "__main__":
    unittest.main()
