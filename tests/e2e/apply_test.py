#!/usr/bin/env python3
"""Server-side apply with stock kubectl: create, change, conflict, force, removal, diff, migration."""
import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import ClusterTest, find_kubectl  # noqa: E402


def deployment(name, image="i", replicas=0, env=("X",)):
    return json.dumps({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                 "template": {"metadata": {"labels": {"app": name}},
                              "spec": {"containers": [
                                  {"name": "c", "image": image,
                                   "env": [{"name": n, "value": "1"} for n in env]}]}}}})


@unittest.skipUnless(find_kubectl(), "no kubectl on this machine; set KUBECTL to one")
class ServerSideApply(ClusterTest):
    def k(self, *args, **kw):
        return self.cluster.kubectl(*args, kubectl=find_kubectl(), **kw)

    def apply(self, text, *args, **kw):
        return self.k("apply", "--server-side", "-f", "-", *args, text=text, **kw)

    def managers(self, name):
        entries = json.loads(self.k("get", "deploy", name, "-o", "json", "--show-managed-fields")
                             )["metadata"]["managedFields"]
        return {(e["manager"], e["operation"]): e["fieldsV1"] for e in entries
                if not e.get("subresource")}

    def container(self, name):
        return json.loads(self.k("get", "deploy", name, "-o",
                                 "jsonpath={.spec.template.spec.containers[0]}"))

    def test_create_change_and_remove(self):
        self.assertIn("deployment.apps/one serverside-applied",
                      self.apply(deployment("one", env=("X", "Y"))))
        self.assertIn(("kubectl", "Apply"), self.managers("one"))
        self.apply(deployment("one", image="j", env=("Y",)))
        self.assertEqual("j", self.container("one")["image"])
        self.assertEqual(["Y"], [e["name"] for e in self.container("one")["env"]])
        self.assertNotIn("managedFields", self.k("get", "deploy", "one", "-o", "yaml"))

    def test_conflict_and_force(self):
        self.apply(deployment("two"), "--field-manager=first")
        refused = self.apply(deployment("two", image="j"), "--field-manager=second", check=False)
        self.assertEqual(1, refused.returncode)
        self.assertIn('conflict with "first": .spec.template.spec.containers[name="c"].image',
                      refused.stderr)
        self.assertEqual("i", self.container("two")["image"])
        self.apply(deployment("two", image="j"), "--field-manager=second", "--force-conflicts")
        self.assertEqual("j", self.container("two")["image"])
        fields = self.managers("two")
        path = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"c"}')
        for manager, owns in (("first", False), ("second", True)):
            at = fields[(manager, "Apply")]
            for element in path:
                at = at[element]
            self.assertEqual(owns, "f:image" in at, manager)

    def test_diff_writes_nothing(self):
        self.apply(deployment("three"))
        same = self.k("diff", "--server-side", "-f", "-", text=deployment("three"), check=False)
        self.assertEqual((0, ""), (same.returncode, same.stdout), same.stderr)
        other = self.k("diff", "--server-side", "-f", "-", text=deployment("three", image="j"),
                       check=False)
        self.assertEqual(1, other.returncode, other.stderr)
        self.assertIn("+        image: j", " ".join(other.stdout.splitlines()))
        self.assertEqual("i", self.container("three")["image"])

    def test_other_commands_are_managers_too(self):
        self.k("create", "deployment", "four", "--image=i", "--replicas=0")
        self.k("scale", "deploy/four", "--replicas=1")
        self.k("set", "image", "deploy/four", "i=j")
        fields = self.managers("four")
        self.assertNotIn("f:replicas", fields[("kubectl-create", "Update")]["f:spec"])
        self.assertIn(("kubectl-set", "Update"), fields)
        refused = self.apply(deployment("four"), check=False)
        self.assertIn("conflict", refused.stderr)

    def test_from_client_side_to_server_side(self):
        self.k("apply", "-f", "-", text=deployment("five", env=("X", "Y")))
        self.apply(deployment("five", image="j", env=("X",)))
        self.assertEqual("j", self.container("five")["image"])
        self.assertEqual(["X"], [e["name"] for e in self.container("five")["env"]])
        self.assertNotIn(("kubectl-client-side-apply", "Update"), self.managers("five"))
        self.k("apply", "-f", "-", text=deployment("five", image="k", env=("Z",)))
        self.assertEqual(["Z"], [e["name"] for e in self.container("five")["env"]])


if __name__ == "__main__":
    unittest.main()
