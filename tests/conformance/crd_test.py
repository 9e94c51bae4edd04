#!/usr/bin/env python3
"""A CustomResourceDefinition and an object of its kind, field by field as in validation_test.py, and what a
custom resource can do: a real kube-apiserver and Operon's take and refuse the same.

KNOWN names what differs, and why. Needs what pair.py needs; skipped with the name of what is missing."""
import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from changes import changes  # noqa: E402
from cluster import wait_for  # noqa: E402
from pair import PairTest, timeless  # noqa: E402

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/ex.com/v1/namespaces/default/widgets"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}

PANICS = re.compile(r"properties\.preserve.*not$|preserve-unknown-fields\.not$")  # a real one ends the connection

# (changed field and how, why): whether it is taken differs, or for which fields it is refused.
KNOWN = [(re.compile(change), why) for change, why in (
    (r"^crd: spec\.versions\.0\.name\.", "the first version's name is told once more, as spec.version"),
    (r"^crd: spec\.versions\.(dup|1\.storage\.not)$", "storedVersions follow the first version that is stored"),
    (r"^crd: spec\.versions\.0\.schema\.(-|null|\{\}|openAPIV3Schema\.(-|null))$", "selectableFields are told one by one"),
    (r"^crd: .*properties\.color\.(type|maxLength)\.", "a default is not tried where its schema is wrong"),
    (r"^crd: .*\.items(\.|$)", "items that are missing are told in other words"),
    (r"^crd: spec\.versions\.1\.schema\.openAPIV3Schema\.type\.(-|null|)$", "a root without a type is refused even "
                                                                          "where it keeps what is unknown"),
    (r"^object: spec\.replicas\.|^object: spec\.\[\]", "replicas are told once more, as what scale reads"),
    (r"^object: spec\.emb\.(apiVersion|kind|metadata)", "the names of embedded objects are not checked"),
    (r"^object: spec\.either\.\[\]", "of two rules that a value breaks one is told"),
)]


class Crds(PairTest):
    PORT = int(os.environ.get("CRD_PORT", "20043"))

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with open(os.path.join(HERE, "crd_objects.json")) as f:
            objects = json.load(f)
        cls.definition, cls.resource = objects["definition"], objects["resource"]
        for side in cls.pair.sides:
            if side.call("POST", CRDS, cls.definition).code != 201:
                raise AssertionError("the definition is refused")
            wait_for("the kind", 20, lambda s=side: s.call("GET", WIDGETS).code == 200)

    def compare(self, what, path, obj):
        """Of each change: taken or refused, and where refused, for which fields."""
        used, wrong = set(), []
        for change, new in changes(obj):
            name = f"{what}: {change}"
            if PANICS.search(change):
                continue
            real, own = self.pair.both("POST", path + "?dryRun=All", new)
            told = [(a.code, sorted({c["field"] for c in (a.body.get("details") or {}).get("causes", []) if "field" in c}))
                    for a in (real, own)]
            why = [k for k in KNOWN if k[0].search(name)]
            if why and told[0] != told[1]:
                used.add(why[0])
            elif told[0] != told[1]:
                wrong.append(f"{name}\n   real {told[0]} {real.body.get('message', '')[:300]}\n"
                             f"   own  {told[1]} {own.body.get('message', '')[:300]}")
        self.assertEqual(wrong, [], "\n".join(wrong[:40]))
        own_rows = [k for k in KNOWN if k[0].pattern.startswith("^" + what)]
        self.assertEqual([k for k in own_rows if k not in used], [], "these differ no more: take them from KNOWN")

    def test_definitions(self):
        renamed = json.loads(json.dumps(self.definition).replace("widget", "gadget").replace("Widget", "Gadget")
                             .replace('"wg"', '"gd"'))
        self.compare("crd", CRDS, renamed)

    def test_resources(self):
        self.compare("object", WIDGETS, dict(self.resource, metadata={"name": "fields"}))

    def same(self, method, path, *more, **named):
        real, own = [timeless(a.body) for a in self.pair.both(method, path, *more, **named)]
        for body in (real, own):
            if isinstance(body, dict):
                body.get("metadata", {}).pop("managedFields", None)
        self.assertEqual(own, real, f"{method} {path}")
        return own

    def test_a_life(self):
        one, merge = WIDGETS + "/w", "application/merge-patch+json"
        self.same("POST", WIDGETS, self.resource)
        self.same("GET", one.replace("/v1/", "/v1beta1/"))
        for patch in ({"spec": {"replicas": 6}}, {"metadata": {"labels": {"a": "b"}}}, {"status": {"replicas": 3}},
                      {"spec": {"tags": None}}, {"spec": {"color": None}}, {"spec": {"unknown": 1}}):
            self.same("PATCH", one, patch, merge)
        self.same("PATCH", one + "/status", {"status": {"replicas": 3, "selector": "a=b"}, "spec": {"on": False}}, merge)
        self.same("GET", one + "/scale")
        self.same("PATCH", one + "/scale", {"spec": {"replicas": 8}}, merge)
        self.assertEqual(self.same("GET", one)["metadata"]["generation"], 5)
        self.same("PATCH", one, {"spec": {"ports": [{"name": "z"}]}}, "application/strategic-merge-patch+json")
        for color in ("red", "blue"):
            answers = self.pair.both("GET", f"{WIDGETS}?fieldSelector=spec.color%3D{color}")
            self.assertEqual(*[len(a.body["items"]) for a in answers])
        tables = [a.body for a in self.pair.both("GET", WIDGETS, headers=TABLE)]
        self.assertEqual(*[[(c["name"], c["type"], c["priority"]) for c in t["columnDefinitions"]] for t in tables])
        self.assertEqual(*[[r["cells"][:2] for r in t["rows"]] for t in tables])
        self.same("DELETE", one)


if __name__ == "__main__":
    unittest.main(verbosity=2)
