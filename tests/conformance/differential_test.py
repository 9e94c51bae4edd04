#!/usr/bin/env python3
"""The same random patches sent to a real kube-apiserver and to Operon's: the same answers.

Each round makes one object on both sides and changes it step by step: strategic merge, merge and JSON
patches, and server-side apply by several managers. After every step code, reason, message and the object
(with managedFields, without what is of the moment) are compared. DIFFERENTIAL_ROUNDS and
DIFFERENTIAL_SEED choose how many and which. Needs kube-apiserver, etcd and kubectl in REAL_BIN, and the
fixture of REAL_KUBERNETES; skipped with the name of what is missing."""
import copy
import json
import os
import random
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from pair import PairTest, differences  # noqa: E402

PORT = int(os.environ.get("DIFFERENTIAL_PORT", "19743"))
ROUNDS = int(os.environ.get("DIFFERENTIAL_ROUNDS", "60"))
SEED = int(os.environ.get("DIFFERENTIAL_SEED", "1"))
STEPS = 12
TYPES = {"strategic": "application/strategic-merge-patch+json", "merge": "application/merge-patch+json",
         "json": "application/json-patch+json", "apply": "application/apply-patch+yaml"}

POD_SPEC = {
    "containers": [
        {"name": "a", "image": "a:1", "ports": [{"containerPort": 80}, {"containerPort": 81, "name": "m"}],
         "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}],
         "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        {"name": "b", "image": "b:1", "args": ["1", "2"]}],
    "volumes": [{"name": "v", "emptyDir": {}}, {"name": "w", "configMap": {"name": "c"}}],
    "tolerations": [{"key": "k", "operator": "Exists"}],
    "imagePullSecrets": [{"name": "s"}], "nodeSelector": {"n": "1"},
    "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["h"]}]}


def meta(name):
    return {"name": name, "namespace": "default", "labels": {"app": "x", "l": "1"},
            "annotations": {"note": "1"}, "finalizers": ["example.com/f"]}


KINDS = {
    "deployments": ("/apis/apps/v1/namespaces/default/deployments", lambda n: {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(n),
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "x"}},
                 "template": {"metadata": {"labels": {"app": "x"}}, "spec": copy.deepcopy(POD_SPEC)}}}),
    "services": ("/api/v1/namespaces/default/services", lambda n: {
        "apiVersion": "v1", "kind": "Service", "metadata": meta(n),
        "spec": {"clusterIP": "None", "selector": {"app": "x"},
                 "ports": [{"name": "p", "port": 80}, {"name": "q", "port": 81, "protocol": "UDP"}]}}),
    "configmaps": ("/api/v1/namespaces/default/configmaps", lambda n: {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(n), "data": {"a": "1", "b": "2"}}),
}


def plain(answer):
    """An answer without what is of the moment."""
    code, body = answer.code, copy.deepcopy(answer.body)
    m = body.get("metadata", {})
    for name in ("uid", "creationTimestamp", "resourceVersion", "deletionTimestamp"):
        m.pop(name, None)
    for entry in m.get("managedFields", []):
        entry.pop("time", None)
    m["managedFields"] = sorted(m.get("managedFields", []), key=lambda e: (e["manager"], e["operation"]))
    details = body.get("details", {})
    details.pop("uid", None)
    details["causes"] = sorted((dict(c, message=wording(c.get("message", ""))) for c in details.get("causes", [])),
                               key=json.dumps)  # conflicts come in no order
    if "message" in body:
        body["message"] = wording(body["message"])
    return code, body


def wording(text):
    """A message without the document that it quotes, and without Go's way of putting a value."""
    if text.startswith("The order in patch list"):
        return "The order in patch list"
    text = re.sub(r'Invalid value: "(\\.|[^"\\])*"', "Invalid value: ...", text)
    return re.sub(r"(patch: Invalid value: \.\.\.|^Invalid value: \.\.\.): (?!strict).*", r"\1", text)


class Patches:
    """Random changes to an object of a kind."""

    def __init__(self, rng, kind):
        self.rng, self.kind = rng, kind

    def some(self, *choices):
        return self.rng.choice(choices)

    def metadata(self):
        out = {}
        if self.rng.random() < .5:
            out["labels"] = {self.some("l", "m", "app2"): self.some("1", "2", "", None)}
        if self.rng.random() < .3:
            out["annotations"] = self.some({"note": None}, {"a": "b"}, None, {})
        if self.rng.random() < .3:
            out["finalizers"] = self.some(["example.com/g"], ["example.com/f", "example.com/h"], [], None)
        return out

    def strategic_container(self):
        c = {"name": self.some("a", "b", "c")}
        r = self.rng.random
        if r() < .15:
            return {"name": c["name"], "$patch": "delete"}
        if c["name"] == "c" or r() < .4:
            c["image"] = self.some("x:1", "x:2")
        if r() < .3:
            c["ports"] = self.some([{"containerPort": 80, "name": "web"}], [{"containerPort": 82}],
                                   [{"containerPort": 81, "$patch": "delete"}], [{"$patch": "replace"}], None)
        if r() < .3:
            c["env"] = self.some([{"name": "X", "value": "9"}], [{"name": "Y", "$patch": "delete"}],
                                 [{"name": "Z", "value": "z"}, {"name": "X", "value": None}], [])
        if r() < .2:
            c["args"] = self.some(["9"], [], None)
        if r() < .2:
            c["$setElementOrder/env"] = [{"name": "Y"}, {"name": "X"}]
        if r() < .2:
            c["resources"] = self.some({"limits": {"cpu": "1"}}, {"limits": {"cpu": None}}, None)
        return c

    def strategic_spec(self):
        r, out = self.rng.random, {}
        if r() < .7:
            out["containers"] = [self.strategic_container() for _ in range(self.rng.randint(1, 2))]
            if r() < .3:
                out["$setElementOrder/containers"] = [{"name": n} for n in self.rng.sample(["a", "b", "c"], 2)]
        if r() < .3:
            out["volumes"] = self.some([{"name": "w", "emptyDir": {}, "configMap": None}],
                                       [{"name": "v", "$retainKeys": ["name", "secret"],
                                         "secret": {"secretName": "s"}}],
                                       [{"name": "w", "$patch": "delete"}], [{"name": "n", "emptyDir": {}}])
        if r() < .2:
            out["tolerations"] = self.some([{"key": "z", "operator": "Exists"}], [], None)
        if r() < .2:
            out["imagePullSecrets"] = self.some([{"name": "t"}], [{"name": "s", "$patch": "delete"}])
        if r() < .2:
            out["nodeSelector"] = self.some({"n": None}, {"o": "2"}, {"$patch": "replace", "q": "1"})
        if r() < .15:
            out["hostAliases"] = self.some([{"ip": "1.2.3.4", "hostnames": ["i"]}],
                                           [{"ip": "5.6.7.8", "hostnames": ["j"]}])
        if r() < .1:
            out["unknownField"] = 1
        if r() < .1:
            out["terminationGracePeriodSeconds"] = self.some(5, "x", None)
        return out

    def strategic(self):
        out = {"metadata": self.metadata()}
        if self.rng.random() < .3 and "finalizers" not in out["metadata"]:  # with it, Go's maps decide
            out["metadata"]["$deleteFromPrimitiveList/finalizers"] = ["example.com/f"]
        if self.kind == "deployments":
            out["spec"] = self.some({"template": {"spec": self.strategic_spec()}}, {"replicas": self.some(0, None, -1)},
                                    {"strategy": self.some({"type": "Recreate", "rollingUpdate": None},
                                                           {"$retainKeys": ["type"], "type": "Recreate"},
                                                           {"type": "Recreate"}, {"rollingUpdate": {"maxSurge": 2}},
                                                           None)},
                                    {"template": {"spec": self.strategic_spec()}, "paused": self.some(True, None)})
        elif self.kind == "services":
            out["spec"] = self.some({"ports": [{"port": 80, "name": "r"}]}, {"ports": [{"port": 82, "name": "t"}]},
                                    {"ports": [{"port": 81, "protocol": "UDP", "$patch": "delete"}]},
                                    {"selector": {"app": None, "b": "1"}}, {"ports": [{"$patch": "replace"}]},
                                    {"sessionAffinity": self.some("ClientIP", "None", "Odd")},
                                    {"$setElementOrder/ports": [{"port": 81}, {"port": 80}],
                                     "ports": [{"port": 81, "name": "q2"}]})
        else:
            out["data"] = self.some({"a": None}, {"c": "3"}, {"$patch": "replace", "z": "1"}, None, {"a": 1}, {})
        return out

    def merge(self):
        out = {"metadata": self.metadata()}
        if self.kind == "deployments":
            out["spec"] = self.some({"replicas": self.some(0, None, "2")}, {"minReadySeconds": self.some(3, None)},
                                    {"template": {"spec": {"volumes": self.some(None, [])}}},
                                    {"template": {"metadata": {"annotations": {"x": self.some("1", None)}}}},
                                    {"selector": {"matchLabels": {"app": "y"}}}, {"zzz": 1}, None)
        elif self.kind == "services":
            out["spec"] = self.some({"selector": None}, {"ports": [{"port": 90}]}, {"ports": None},
                                    {"externalName": self.some("x.y", None)}, {"publishNotReadyAddresses": True})
        else:
            out["data"] = self.some({"a": None, "n": "5"}, None, {"a": {"b": 1}}, "text", {"k": ""})
            if self.rng.random() < .2:
                out["immutable"] = self.some(None, False)
        return out

    def json(self):
        base = {"deployments": "/spec/template/spec", "services": "/spec", "configmaps": "/data"}[self.kind]
        leaf = {"deployments": "/nodeSelector/n", "services": "/selector/app", "configmaps": "/a"}[self.kind]
        steps = [{"op": "add", "path": "/metadata/labels/z~1y", "value": "1"},
                 {"op": "remove", "path": "/metadata/labels/z~1y"},
                 {"op": "replace", "path": base + leaf, "value": self.some("5", 5, None)},
                 {"op": "remove", "path": base + leaf}, {"op": "add", "path": base + leaf, "value": "7"},
                 {"op": "test", "path": base + leaf, "value": self.some("1", "7")},
                 {"op": "copy", "from": "/metadata/labels/app", "path": "/metadata/labels/copied"},
                 {"op": "move", "from": "/metadata/labels/copied", "path": "/metadata/labels/moved"},
                 {"op": "add", "path": "/metadata/finalizers/-", "value": f"example.com/j{self.rng.random()}"},
                 {"op": "add", "path": "/metadata/finalizers/0", "value": f"example.com/k{self.rng.random()}"},
                 {"op": "remove", "path": "/metadata/finalizers/9"}, {"op": "odd", "path": "/x"},
                 {"op": "add", "path": "/metadata/nothing/here", "value": 1}, {"op": "remove", "path": ""},
                 {"op": "test", "path": "/kind", "value": "Deployment"}, {"op": "replace", "path": "/metadata/labels"}]
        if self.kind == "deployments":
            steps += [{"op": "remove", "path": base + "/containers/1"},
                      {"op": "add", "path": base + "/containers/0/args", "value": ["q"]},
                      {"op": "replace", "path": base + "/containers/0/image", "value": "j:1"}]
        return self.rng.choices(steps, k=self.rng.randint(1, 2))

    def apply(self, name):
        path, make = KINDS[self.kind]
        whole = make(name)
        out = {"apiVersion": whole["apiVersion"], "kind": whole["kind"],
               "metadata": {"name": name, "labels": {self.some("l", "m"): self.some("1", "2")}}}
        r = self.rng.random
        if r() < .2:
            out["metadata"]["finalizers"] = ["example.com/" + self.some("f", "s")]
        if self.kind == "deployments":
            c = {"name": self.some("a", "b", "c"), "image": self.some("x:1", "x:2", "a:1")}
            if r() < .4:
                c["env"] = [{"name": self.some("X", "W"), "value": self.some("1", "9")}]
            if r() < .3:
                c["ports"] = [{"containerPort": self.some(80, 83)}]
            spec = {"containers": [c]}
            if r() < .3:
                spec["volumes"] = [{"name": "n", "emptyDir": {}}]
            if r() < .2:
                spec["tolerations"] = [{"key": "k", "operator": "Exists"}]
            out["spec"] = {"template": {"spec": spec}}
            if r() < .3:
                out["spec"]["replicas"] = 0
            if r() < .1:
                out["spec"]["odd"] = 1
        elif self.kind == "services":
            out["spec"] = {"ports": [{"port": self.some(80, 85), "name": self.some("p", "n"),
                                      "protocol": self.some("TCP", "UDP")}]}
            if r() < .3:
                out["spec"]["selector"] = {"app": self.some("x", "z")}
        else:
            out["data"] = {self.some("a", "b", "n"): self.some("1", "2", "n")}
            if r() < .1:
                out["data"]["a"] = 5
        return out


class Differential(PairTest):
    PORT = PORT

    def both(self, method, path, body=None, kind="application/json"):
        return [plain(answer) for answer in self.pair.both(method, path, body, kind)]

    def test_patches(self):
        self.maxDiff = None
        found = []
        for number in range(ROUNDS):
            rng = random.Random(SEED * 100000 + number)
            kind = rng.choice(list(KINDS))
            path, make = KINDS[kind]
            name = f"o{number}"
            answers = self.both("POST", path, make(name))
            self.assertEqual(answers[0], answers[1])
            patches = Patches(rng, kind)
            for _ in range(STEPS):
                how = rng.choice(list(TYPES))
                body = patches.apply(name) if how == "apply" else getattr(patches, how)()
                query = "?fieldManager=" + rng.choice(["one", "two", "three"])
                if how == "apply":
                    query += "&force=" + rng.choice(["true", "false"])
                query += rng.choice(["", "&fieldValidation=Strict", "&fieldValidation=Ignore"])
                answers = self.both("PATCH", f"{path}/{name}{query}", body, TYPES[how])
                if answers[0] != answers[1]:
                    found.append((number, how, query, body, answers))
                    break  # the objects may have parted
        for number, how, query, body, (real, own) in found[:20]:
            print(f"\n== round {number}: {how} {query} {json.dumps(body)}", file=sys.stderr)
            if real[0] >= 400 or own[0] >= 400:
                print(f"real {real[0]} {real[1].get('message', '')}\nown  {own[0]} {own[1].get('message', '')}",
                      file=sys.stderr)
            print("\n".join(differences(keyed(real[1]), keyed(own[1]))), file=sys.stderr)
        self.assertEqual(len(found), 0, "rounds that differ")


def keyed(body):
    """A body whose managedFields tell where they differ by manager."""
    body = copy.deepcopy(body)
    entries = body.get("metadata", {}).get("managedFields")
    if entries:
        body["metadata"]["managedFields"] = {f"{e['manager']} {e['operation']}": e for e in entries}
    return body


if __name__ == "__main__":
    unittest.main(verbosity=2)
