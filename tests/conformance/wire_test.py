#!/usr/bin/env python3
"""The wire contract, request by request: a real kube-apiserver and Operon's give the same answer.

Compared are the code, the headers that clients read, and the body without what is of the moment.
KNOWN names the requests whose answers differ, and why; one that differs no more fails, too. Needs what
pair.py needs; skipped with the name of what is missing."""
import json
import os
import re
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from pair import PairTest, differences, timeless  # noqa: E402

HEADERS = ("content-type", "cache-control", "warning", "retry-after", "vary", "location")
JSON, MERGE, STRATEGIC, PATCH, APPLY = (
    "application/json", "application/merge-patch+json", "application/strategic-merge-patch+json",
    "application/json-patch+json", "application/apply-patch+yaml")
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIALS = PARTIAL.replace("Metadata;", "MetadataList;")
NS = "/api/v1/namespaces/default"
MAPS = NS + "/configmaps"
MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}}

GO = "quotes Go types or positions of Go's parser"
STRICT = "ours refuses what Kubernetes overlooks, or says why it does"
SUPERSET = "more is said than by Kubernetes"
KNOWN = {
    "create array": GO, "create text": GO, "create of no kind": GO, "create null": "Kubernetes takes null for an empty object",
    "update to a bad version": "an error of the server (500) for Kubernetes",
    "delete with a bad body": GO, "delete with a Pod for options": GO,
    "406": "no protobuf answers", "406 of a form": "no protobuf answers",
    "any application type": STRICT, "head": "answered, where Kubernetes refuses",
    "metadata alone of a list": GO, "a list's metadata of an object": GO,
    "metadata of no items": "an empty list, where Kubernetes says null",
    "list?continue=x": GO, "list?continue=abc&limit=1": GO,
    "watch from a bad version": "an error of the server (500) for Kubernetes",
    "watch from the future": "a revision of another store: the client lists again; Kubernetes waits",
    "a manager of control characters, create": GO, "a manager of control characters, update": GO,
    "a manager of control characters, patch": GO,
    "merge nothing": GO, "merge a list": GO, "merge null": GO, "merge no JSON": GO,
    "strategic no JSON": GO, "strategic a list": GO, "JSON patch no JSON": GO,
    "patch the kind": GO, "patch the version": GO, "patch no owners": "managedFields stay",
    "a name with a slash": STRICT, "a body of 4 MiB": "refused before it is read, as text",
    "bind to nothing": "422; an error of the server (500) for Kubernetes",
    "bind to a Pod": "422; an error of the server (500) for Kubernetes",
    "bind another uid": STRICT,
    "who I am": "no extra of certificates",
    "post of the groups": "405; Kubernetes answers as if it were a GET",
    'patch of {"selfLink": "x"}': "the field is nobody's for years",
    "bound by the collection": SUPERSET,
}


def without_items(body):
    return {k: v for k, v in body.items() if k != "items"} if isinstance(body, dict) else body


def types_only(body):
    return {k: type(v).__name__ for k, v in body.items()}


def numbers_gone(body):
    return dict(body, message=re.sub(r"\d+", "N", body["message"]))


def undescribed(body):
    """A Table without its descriptions, and without ages."""
    body = json.loads(re.sub(r'"\d+(s|m)"', '"AGE"', json.dumps(body)))
    for column in body.get("columnDefinitions", []):
        column["description"] = ""
    return body


def once(causes):
    """Kubernetes checks the metadata of an update twice, and says what is wrong as often."""
    return [c for i, c in enumerate(causes) if c not in causes[:i]]


class Wire(PairTest):
    PORT = int(os.environ.get("WIRE_PORT", "19843"))

    def setUp(self):
        self.known_seen = set()

    def both(self, method, path, body=None, kind=JSON, accept=None, is_anonymous=False, headers=None, fix=None):
        sent = dict(headers or {}, **({"Accept": accept} if accept else {}))
        shown = []
        for a in self.pair.both(method, path, body, kind=kind, headers=sent, is_anonymous=is_anonymous):
            value = timeless(fix(a.body) if fix else a.body)
            if isinstance(value, dict) and isinstance(value.get("details"), dict) and "causes" in value["details"]:
                value["details"]["causes"] = once(value["details"]["causes"])
            shown.append({"code": a.code, "headers": {h: a.headers.get(h) for h in HEADERS}, "body": value})
        return shown

    def same(self, title, method, path, body=None, kind=JSON, **more):
        """One request to both."""
        real, own = self.both(method, path, body, kind, **more)
        with self.subTest(title, path=path[:120]):
            if title in KNOWN:
                self.assertNotEqual(real, own, "it differs no more: take it from KNOWN")
            elif real != own:
                self.fail("\n".join([f"{method} {path[:200]}"] + differences(real, own)[:24]))

    def renew(self):
        """The same ConfigMap "a" on both sides."""
        for side in self.pair.sides:
            side.call("DELETE", MAPS + "/a")
            side.call("POST", MAPS, MAP)

    def write(self, title, method, path, body=None, kind=JSON, **more):
        self.renew()
        self.same(title, method, path, body, kind, **more)

    def test_paths(self):
        for path in ("/healthz", "/livez", "/readyz", "/readyz/ping", "/livez/ping", "/healthz/none", "/nothing",
                     "/apis/foo", "/apis/foo/v1/bars", "/api/v1/foos", NS + "/foos", NS + "/nodes", "/API/v1/pods",
                     "/api/v1/configmaps/a", NS + "/pods/x/binding", NS + "/pods/x/eviction", NS + "/pods/x/nothing",
                     "/apis/authorization.k8s.io/v1/subjectaccessreviews", NS + "/pods/none", "/api/v1/namespaces/none",
                     "/apis/apps/v1/namespaces/default/deployments/none", MAPS + "/a%25b", MAPS + "/."):
            self.same("get " + path, "GET", path)
            self.same("anonymous get " + path, "GET", path, is_anonymous=True)
        self.same("version", "GET", "/version", fix=types_only)
        self.same("anonymous version", "GET", "/version", is_anonymous=True, fix=types_only)
        for method, path in (("POST", MAPS + "/x"), ("PUT", MAPS), ("OPTIONS", MAPS), ("DELETE", "/api/v1/namespaces"),
                             ("DELETE", "/apis/apps/v1/namespaces/default/deployments/x/status"),
                             ("POST", NS + "/pods/x/status"), ("POST", "/api/v1/configmaps")):
            self.same(f"{method} of {path}", method, path, {})
        self.same("head", "HEAD", MAPS)
        self.same("post of the groups", "POST", "/apis", {})
        self.same("a bad token", "GET", MAPS, is_anonymous=True, headers={"Authorization": "Bearer x"})
        self.same("a name with a slash", "GET", MAPS + "/a%2Fb")

    def test_discovery(self):
        for group in ("", "autoscaling/v2", "autoscaling/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1",
                      "events.k8s.io/v1", "authorization.k8s.io/v1", "authentication.k8s.io/v1", "scheduling.k8s.io/v1",
                      "policy/v1", "rbac.authorization.k8s.io/v1", "apps/v1", "apps/v9"):
            path = "/apis/" + group if group else "/api/v1"
            real, own = self.both("GET", path)
            with self.subTest(path):
                served = {r["name"]: r for r in own["body"].get("resources", [])}
                expected = {r["name"]: r for r in real["body"].get("resources", []) if r["name"] in served}
                self.assertEqual(list(served.items()), list(expected.items()), "order counts")
        for group in ("apps", "autoscaling", "policy"):
            self.same("group " + group, "GET", "/apis/" + group)

    def test_bodies(self):
        bodies = {
            "again": MAP, "without a name": {"metadata": {}}, "without metadata": {"kind": "ConfigMap"},
            "empty": "", "array": "[]", "null": "null", "text": '"x"', "no JSON": "{bad",
            "of another kind": {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}},
            "of another group": {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}},
            "of no kind": {"apiVersion": "foo/v1", "kind": "Bar", "metadata": {"name": "x"}},
            "for another namespace": {"metadata": {"name": "x", "namespace": "other"}},
            "of wrong types": {"metadata": {"name": "x"}, "data": {"a": 1}},
            "with unknown fields": {"metadata": {"name": "x"}, "dta": {}, "data": {}},
            "with a kind alone": {"kind": "ConfigMap", "metadata": {"name": "x"}},
            "with a version alone": {"apiVersion": "v1", "metadata": {"name": "x"}},
        }
        self.renew()
        for title, body in bodies.items():
            self.same("create " + title, "POST", MAPS + "?dryRun=All", body)
        self.same("strict create", "POST", MAPS + "?dryRun=All&fieldValidation=Strict", bodies["with unknown fields"])
        self.same("create with a revision", "POST", MAPS, {"metadata": {"name": "x", "resourceVersion": "5"}})
        self.same("create in no namespace", "POST", "/api/v1/namespaces/none/configmaps", MAP)
        self.same("create twice the same field", "POST", MAPS + "?dryRun=All",
                  '{"metadata":{"name":"x"},"data":{"a":"1","a":"2"}}')
        self.same("a body of 4 MiB", "POST", MAPS, b'{"metadata":{"name":"x"},"data":{"a":"' + b"x" * (4 << 20) + b'"}}')
        self.same("415", "POST", MAPS, "x", "text/plain")
        self.same("with a charset", "POST", MAPS + "?dryRun=All", {"metadata": {"name": "x"}},
                  "application/json; charset=utf-8")
        self.same("YAML", "POST", MAPS + "?dryRun=All", "metadata:\n  name: x\ndata:\n  a: b\n", "application/yaml")
        for title, metadata in {"another name": {"name": "b"}, "no name": {}, "an old version":
                                {"name": "a", "resourceVersion": "1"}, "a bad version":
                                {"name": "a", "resourceVersion": "x"}}.items():
            self.write("update to " + title, "PUT", MAPS + "/a", dict(MAP, metadata=metadata))
        self.same("update of none", "PUT", MAPS + "/none", dict(MAP, metadata={"name": "none"}))
        self.same("update of none with a version", "PUT", MAPS + "/none",
                  dict(MAP, metadata={"name": "none", "resourceVersion": "5"}))

    def test_forms(self):
        self.renew()
        one, none = MAPS + "/a", MAPS + "?labelSelector=none"
        self.same("406", "GET", MAPS, accept="text/plain")
        self.same("any", "GET", one, accept="text/plain, */*")
        self.same("any application type", "GET", one, accept="application/*")
        self.same("weights", "GET", one, accept="application/yaml;q=0.1, application/json")
        self.same("406 of a form", "GET", MAPS, accept="application/json;as=Table;v=v9;g=meta.k8s.io")
        self.same("table", "GET", one, accept=TABLE, fix=undescribed)
        self.same("table or object", "GET", one, accept=TABLE + ",application/json", fix=undescribed)
        self.same("table without objects", "GET", MAPS + "?includeObject=None&fieldSelector=metadata.name=a",
                  accept=TABLE, fix=undescribed)
        self.same("table with odd objects", "GET", MAPS + "?includeObject=Odd", accept=TABLE)
        self.same("metadata", "GET", one, accept=PARTIAL)
        self.same("a list's metadata of an object", "GET", one, accept=PARTIALS)
        self.same("metadata alone of a list", "GET", MAPS, accept=PARTIAL)
        self.same("metadata of no items", "GET", none, accept=PARTIALS)

    def test_list_options(self):
        self.renew()
        for query in ("labelSelector=a%20b%20c", "labelSelector=a%3D%3D%3Db", "labelSelector=a%20in%20(",
                      "labelSelector=a%3E3", "labelSelector=a%3Ex", "labelSelector=!a,b", "labelSelector=-a",
                      "labelSelector=a%3D-b", "fieldSelector=spec.foo%3Da", "fieldSelector=x",
                      "fieldSelector=metadata.name%3Da%3Db", "fieldSelector=metadata.name%3E1", "resourceVersion=x",
                      "resourceVersion=-1", "limit=x", "limit=-1", "limit=0", "continue=x", "continue=abc&limit=1",
                      "resourceVersionMatch=Exact", "resourceVersionMatch=Exact&resourceVersion=0",
                      "resourceVersionMatch=Odd&resourceVersion=1",
                      "resourceVersionMatch=NotOlderThan&resourceVersion=1&continue=x", "sendInitialEvents=true",
                      "timeoutSeconds=x", "watch=true&sendInitialEvents=true",
                      "watch=true&sendInitialEvents=true&resourceVersionMatch=Exact",
                      "watch=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1",
                      "watch=true&continue=x&timeoutSeconds=1", "resourceVersion=0", "unknown=1"):
            self.same("list?" + query, "GET", MAPS + "?" + query, fix=without_items)
        self.same("list of the future", "GET", MAPS + "?resourceVersion=999999999", fix=numbers_gone)
        self.same("watch from a bad version", "GET", MAPS + "?watch=true&resourceVersion=x")
        self.same("watch from the future", "GET", MAPS + "?watch=true&timeoutSeconds=1&resourceVersion=999999999")
        for kind in ("/api/v1/pods", "/api/v1/nodes", "/api/v1/namespaces", "/api/v1/secrets", "/api/v1/services",
                     "/api/v1/events", "/api/v1/endpoints", "/apis/apps/v1/deployments", "/apis/apps/v1/replicasets",
                     "/apis/events.k8s.io/v1/events", "/apis/coordination.k8s.io/v1/leases"):
            self.same("fields of " + kind, "GET", kind + "?fieldSelector=spec.foo%3Da")

    def test_write_options(self):
        one, changed = MAPS + "/a", {"data": {"z": "1"}}
        for title, query in {"an odd dry run": "dryRun=x", "dry run twice": "dryRun=All&dryRun=All",
                             "a long manager": "fieldManager=" + "x" * 129, "an odd validation": "fieldValidation=Odd",
                             "a manager of control characters": "fieldManager=%01",
                             "a manager": "dryRun=All&fieldManager=m"}.items():
            self.same(title + ", create", "POST", MAPS + "?" + query, dict(MAP, metadata={"name": "b"}))
            self.write(title + ", update", "PUT", one + "?" + query, MAP)
            self.write(title + ", patch", "PATCH", one + "?" + query, changed, MERGE)
        self.write("force without apply", "PATCH", one + "?force=true", {}, MERGE)
        self.write("apply without a manager", "PATCH", one, MAP, APPLY)

    def test_patches(self):
        one = MAPS + "/a"
        for title, kind, body in (
                ("merge nothing", MERGE, ""), ("merge a list", MERGE, "[]"), ("merge null", MERGE, "null"),
                ("merge no JSON", MERGE, "{x"), ("strategic no JSON", STRATEGIC, "{x"),
                ("strategic a list", STRATEGIC, "[]"), ("JSON patch an object", PATCH, "{}"),
                ("JSON patch no JSON", PATCH, "[x"), ("an unknown patch", "application/apply-patch+cbor", "x"),
                ("no patch", JSON, "{}"), ("patch the kind", MERGE, {"kind": "Secret"}),
                ("patch the version", MERGE, {"apiVersion": "v2"}), ("patch no owners", MERGE,
                                                                    {"metadata": {"managedFields": []}})):
            self.write(title, "PATCH", one, body, kind)
        for metadata in ({"name": "b"}, {"uid": "b"}, {"namespace": "b"}, {"resourceVersion": "1"}, {"generation": 7},
                         {"creationTimestamp": "2020-01-01T00:00:00Z"}, {"deletionTimestamp": "2020-01-01T00:00:00Z"},
                         {"selfLink": "x"}, {"labels": {"a": "x y"}}, {"annotations": {"A B": "x"}},
                         {"finalizers": ["x"]}, {"finalizers": ["A b/c"]}, {"ownerReferences": [{}]},
                         {"generateName": "x"}, {"labels": {"x" * 64: "1"}}, {"labels": {"a": "x" * 64}},
                         {"labels": {"a/b/c": "1"}}, {"labels": {"/b": "1"}}, {"labels": {"A.B/c": "1"}},
                         {"labels": {"": "1"}}):
            self.write(f"patch of {json.dumps(metadata)[:60]}", "PATCH", one + "?dryRun=All", {"metadata": metadata},
                       MERGE)

    def test_deletions(self):
        one = MAPS + "/a"
        self.same("delete none", "DELETE", MAPS + "/none")
        self.write("delete with a bad body", "DELETE", one, "{bad")
        self.write("delete with a Pod for options", "DELETE", one, {"apiVersion": "v1", "kind": "Pod"})
        self.write("delete with an odd policy", "DELETE", one, {"propagationPolicy": "Odd"})
        self.write("delete with two policies", "DELETE", one, {"propagationPolicy": "Orphan", "orphanDependents": True})
        self.write("delete with odd seconds", "DELETE", one + "?gracePeriodSeconds=x")
        self.write("delete with an odd dry run", "DELETE", one + "?dryRun=x")
        self.write("delete another uid", "DELETE", one, {"preconditions": {"uid": "x"}})
        self.write("delete another version", "DELETE", one, {"preconditions": {"resourceVersion": "1"}},
                   fix=numbers_gone)
        self.write("delete dry", "DELETE", one, {"dryRun": ["All"]})
        self.write("delete a collection", "DELETE", MAPS + "?labelSelector=none")
        self.write("delete", "DELETE", one)
        for protected in ("default", "kube-system"):
            self.same("delete " + protected, "DELETE", "/api/v1/namespaces/" + protected)

    def test_finalizers(self):
        one = MAPS + "/f"
        self.same("create with finalizers", "POST", MAPS, {"metadata": {"name": "f", "finalizers": ["a/b", "a/c"]}})
        self.same("delete the first time", "DELETE", one)
        self.same("delete the second time", "DELETE", one)
        self.same("add a finalizer", "PATCH", one, {"metadata": {"finalizers": ["a/b", "a/c", "a/d"]}}, MERGE)
        self.same("take finalizers", "PATCH", one, {"metadata": {"finalizers": ["a/c"]}}, MERGE)
        self.same("take the last", "PATCH", one, {"metadata": {"finalizers": None}}, MERGE)
        self.same("gone", "GET", one)
        for policy in ("Foreground", "Orphan", "Background"):
            self.same("create for " + policy, "POST", MAPS, {"metadata": {"name": "p" + policy.lower()}})
            for then in ("Foreground", "Orphan"):
                self.same(f"{policy}, {then}", "DELETE", f"{MAPS}/p{policy.lower()}?propagationPolicy={policy}")
                policy = then

    def events(self, side, begin, query, accept=None):
        """What a watch from there tells: (type, object) without what is of the moment."""
        answer = side.call("GET", f"{MAPS}?watch=true&timeoutSeconds=1&{query}".replace("RV", begin),
                           headers={"Accept": accept} if accept else None)
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        told = []
        for line in text.strip().split("\n"):
            event = timeless(json.loads(line))
            row = event["object"]
            told.append((event["type"], undescribed(row) if row["kind"] == "Table" else row))
        return [t for t in told if t[0] != "BOOKMARK" or "annotations" in t[1]["metadata"]]  # others come in time

    def test_watches(self):
        begins = []
        for side in self.pair.sides:
            side.call("DELETE", MAPS)
            begins.append(side.call("GET", MAPS).body["metadata"]["resourceVersion"])

            def change(body, name="w", side=side):
                return side.call("PATCH", f"{MAPS}/{name}", body, MERGE)

            side.call("POST", MAPS, {"metadata": {"name": "w", "labels": {"l": "1"}}})
            change({"data": {"a": "1"}})
            change({"metadata": {"labels": {"l": "2"}}})
            change({"data": {"a": "2"}})
            change({"metadata": {"labels": {"l": "1"}}})
            change({"metadata": {"labels": {"l": "1"}}})
            side.call("POST", MAPS, {"metadata": {"name": "x", "finalizers": ["a/b"]}})
            side.call("DELETE", MAPS + "/x")
            change({"metadata": {"finalizers": None}}, "x")
            side.call("DELETE", MAPS + "/w")
            side.call("POST", MAPS, {"metadata": {"name": "y", "labels": {"l": "1"}}})
        watches = (
            ("all", "resourceVersion=RV", None), ("selected", "resourceVersion=RV&labelSelector=l%3D1", None),
            ("others", "resourceVersion=RV&labelSelector=l!%3D1", None),
            ("by name", "resourceVersion=RV&fieldSelector=metadata.name%3Dx", None),
            ("tables", "resourceVersion=RV", TABLE), ("metadata", "resourceVersion=RV", PARTIAL),
            ("what is there", "", None), ("what was there", "resourceVersion=0", None),
            ("with its end told", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
             None),
            ("metadata with its end told",
             "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true", PARTIAL),
            ("without what is there", "sendInitialEvents=false&resourceVersionMatch=NotOlderThan&resourceVersion=RV",
             None))
        with ThreadPoolExecutor(8) as pool:
            told = {title: [pool.submit(self.events, s, b, query, accept) for s, b in zip(self.pair.sides, begins)]
                    for title, query, accept in watches}
        for title, both in told.items():
            real, own = [future.result() for future in both]
            with self.subTest(title):
                if real != own:
                    self.fail("\n".join(differences(real, own)[:30]))

    def test_namespaces(self):
        spaces = "/api/v1/namespaces"
        self.same("namespace with finalizers", "POST", spaces, {"metadata": {"name": "w"}, "spec": {"finalizers": ["x/y"]}})
        self.same("namespace patched", "PATCH", spaces + "/w?dryRun=All", {"spec": {"finalizers": ["a/b"]}}, MERGE)
        self.same("a namespace ends", "DELETE", spaces + "/w")
        self.same("create in one that ends", "POST", spaces + "/w/configmaps", {"metadata": {"name": "x"}})
        self.same("finalize another", "PUT", spaces + "/w/finalize", {"metadata": {"name": "v"}})
        self.same("finalize", "PUT", spaces + "/w/finalize", {"metadata": {"name": "w"}, "spec": {"finalizers": []}})
        self.same("it is gone", "GET", spaces + "/w")
        self.same("a name with a dot", "POST", spaces, {"metadata": {"name": "a.b"}})

    def test_pods(self):
        pods = NS + "/pods"
        for side in self.pair.sides:
            side.call("POST", NS + "/serviceaccounts", {"metadata": {"name": "default"}})
            side.call("POST", "/api/v1/nodes", {"metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"}}})
        spec = {"containers": [{"name": "c", "image": "i"}], "automountServiceAccountToken": False}
        for name in ("p", "q", "s"):
            self.same("pod " + name, "POST", pods, {"metadata": {"name": name}, "spec": spec,
                                                    "status": {"phase": "Running"}})

        def bind(name, target, **metadata):
            return {"metadata": dict({"name": name}, **metadata), "target": target}

        node = {"kind": "Node", "name": "n"}
        self.same("bind none", "POST", pods + "/none/binding", bind("none", node))
        self.same("bind under another name", "POST", pods + "/p/binding", bind("q", node))
        self.same("bind to nothing", "POST", pods + "/p/binding", bind("p", {}))
        self.same("bind to a Pod", "POST", pods + "/p/binding", bind("p", {"kind": "Pod", "name": "n"}))
        self.same("bind another uid", "POST", pods + "/p/binding", bind("p", node, uid="x"))
        self.same("bind dry", "POST", pods + "/p/binding?dryRun=All", bind("p", node))
        self.same("not bound", "GET", pods + "/p")
        self.same("bind", "POST", pods + "/p/binding", bind("p", node, annotations={"a": "1"}))
        self.same("bound", "GET", pods + "/p")
        self.same("bind again", "POST", pods + "/p/binding", bind("p", node))
        self.same("bind in the collection", "POST", NS + "/bindings", bind("s", node))
        self.same("bound by the collection", "GET", pods + "/s")
        self.same("a status of the object", "PATCH", pods + "/p?dryRun=All", {"status": {"phase": "Failed"}}, MERGE)
        self.same("evict none", "POST", pods + "/none/eviction", {"apiVersion": "policy/v1", "kind": "Eviction",
                                                                  "metadata": {"name": "none"}})
        self.same("evict under another name", "POST", pods + "/p/eviction",
                  {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "q"}})
        self.same("evict", "POST", pods + "/q/eviction", {"apiVersion": "policy/v1", "kind": "Eviction",
                                                          "metadata": {"name": "q"}})
        self.same("evicted", "GET", pods + "/q")
        for query in ("gracePeriodSeconds=5", "", "gracePeriodSeconds=50", "gracePeriodSeconds=1"):
            self.same("end?" + query, "DELETE", pods + "/p?" + query)
        self.same("change while it ends", "PATCH", pods + "/p", {"metadata": {"labels": {"z": "1"}}}, MERGE)
        self.same("hold while it ends", "PATCH", pods + "/p", {"metadata": {"finalizers": ["a/b"]}}, MERGE)
        self.same("end at once", "DELETE", pods + "/p?gracePeriodSeconds=0")
        self.same("ended", "GET", pods + "/p")
        self.same("end one without a node", "DELETE", pods + "/q")

    def test_scales(self):
        deployments = "/apis/apps/v1/namespaces/default/deployments"
        one, scale = deployments + "/d", deployments + "/d/scale"
        self.same("deployment", "POST", deployments, {
            "metadata": {"name": "d"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": {
                "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
        self.same("annotated", "PATCH", one, {"metadata": {"annotations": {"x": "1"}}}, MERGE)
        self.same("labelled", "PATCH", one, {"metadata": {"labels": {"x": "1"}}}, MERGE)
        self.same("unchanged", "PATCH", one, {"spec": {"replicas": 2}}, MERGE)
        self.same("another selector", "PATCH", one, {"spec": {"selector": {"matchLabels": {"a": "c"}}}}, MERGE)
        self.same("status", "PATCH", one + "/status", {"status": {"replicas": 2, "readyReplicas": 1, "updatedReplicas": 1},
                                                       "metadata": {"annotations": {"s": "1"}, "labels": {"s": "1"},
                                                                    "finalizers": ["a/b"]}}, MERGE)
        self.same("odd status", "PATCH", one + "/status", {"status": {"replicas": 2, "readyReplicas": 3}}, MERGE)
        self.same("scale", "GET", scale)

        def scaled(replicas, name="d", **metadata):
            return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": dict({"name": name}, **metadata),
                    "spec": {"replicas": replicas}}

        for title, body in {"3": scaled(3), "-3": scaled(-3), "another": scaled(3, "e"),
                            "an old version": scaled(3, resourceVersion="1")}.items():
            self.same("scale to " + title, "PUT", scale, body)
        for kind, body in ((MERGE, {"spec": {"replicas": 5}}), (STRATEGIC, {"spec": {"replicas": 4}}),
                           (PATCH, [{"op": "replace", "path": "/spec/replicas", "value": 6}])):
            self.same("scale by " + kind, "PATCH", scale, body, kind)
        self.same("scale none", "GET", deployments + "/none/scale")

    def test_reviews(self):
        self.same("who I am", "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})


if __name__ == "__main__":
    unittest.main(verbosity=2)
