#!/usr/bin/env python3
"""Reads Kubernetes' published facts and writes apiserver/schema/facts/kubernetes.txt.

    scripts/extract_facts.py > apiserver/schema/facts/kubernetes.txt

Run by hand, with the Go module cache filled (`go mod download`); the build needs its output only.
Sources: the json and protobuf tags and the markers of types.go, generated.proto (to check the
numbers), api/discovery of k8s.io/kubernetes. No description text is taken.

Output, one fact a line:
    resource GROUP/VERSION PLURAL KIND singular=.. scope=.. [short=..] [categories=..] [sub=..]
    enum GONAME VALUE...
    type OPENAPINAME go=GONAME [map-type=atomic] [gvk=GROUP/VERSION/KIND]
    field NAME proto=N type=TYPE go=GOTYPE [inline] [ptr] [omitempty] [omitzero] [required]
          [list=..] [keys=..] [map=atomic] [patch=..] [merge-key=..] [enum=GONAME] [default=JSON]
TYPE is a scalar, ref:OPENAPINAME, list(TYPE) or map(TYPE).
"""
import glob
import json
import os
import re
import subprocess
import sys

VERSION = "0.36.3"
KINDS = {
    "api/core/v1": "Namespace Node Pod Binding Service Endpoints ConfigMap Secret ServiceAccount Event",
    "api/apps/v1": "Deployment ReplicaSet",
    "api/autoscaling/v1": "HorizontalPodAutoscaler Scale",
    "api/autoscaling/v2": "HorizontalPodAutoscaler",
    "api/coordination/v1": "Lease",
    "api/discovery/v1": "EndpointSlice",
    "api/events/v1": "Event",
    "api/rbac/v1": "Role RoleBinding ClusterRole ClusterRoleBinding",
    "api/scheduling/v1": "PriorityClass",
    "api/policy/v1": "Eviction PodDisruptionBudget",
    "api/authorization/v1": "SubjectAccessReview SelfSubjectAccessReview LocalSubjectAccessReview "
                            "SelfSubjectRulesReview",
    "api/authentication/v1": "TokenReview TokenRequest SelfSubjectReview",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1": "CustomResourceDefinition",
    "apimachinery/pkg/apis/meta/v1": "DeleteOptions Status ListMeta",
}
GROUPS = {"core": "", "rbac": "rbac.authorization.k8s.io", "coordination": "coordination.k8s.io",
          "discovery": "discovery.k8s.io", "events": "events.k8s.io",
          "scheduling": "scheduling.k8s.io", "authorization": "authorization.k8s.io",
          "authentication": "authentication.k8s.io", "meta": "meta.k8s.io",
          "apiextensions": "apiextensions.k8s.io"}
SCALARS = {"string": "string", "bool": "bool", "int32": "int32", "int64": "int64", "int": "int64",
           "float64": "double", "uint32": "int64", "uint64": "int64"}
# Types with a wire form of their own: what they are in JSON is not what their members say.
SPECIAL = {
    "apimachinery/pkg/apis/meta/v1.Time": "time",
    "apimachinery/pkg/apis/meta/v1.MicroTime": "microtime",
    "apimachinery/pkg/apis/meta/v1.FieldsV1": "fieldsv1",
    "apimachinery/pkg/api/resource.Quantity": "quantity",
    "apimachinery/pkg/util/intstr.IntOrString": "intorstr",
    "apimachinery/pkg/runtime.RawExtension": "raw",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON": "json",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray": "props-or-array",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool": "props-or-bool",
    "apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray":
        "props-or-strings",
}
MODULE_ROOT = os.path.join(subprocess.check_output(["go", "env", "GOMODCACHE"], text=True).strip(),
                           "k8s.io")


def package_dir(pkg):
    module, _, rest = pkg.partition("/")
    return os.path.join(MODULE_ROOT, f"{module}@v{VERSION}", rest)


def short(pkg):
    return pkg.rsplit("/", 1)[1]


def openapi_name(pkg, name):
    module, _, rest = pkg.partition("/")
    return f"io.k8s.{module}.{rest.replace('/', '.')}.{name}"


class Package:
    """The type declarations, enum values and imports of one Go package."""

    def __init__(self, pkg):
        self.pkg = pkg
        self.structs, self.named, self.markers, self.enums = {}, {}, {}, {}
        self.imports, self.consts = {}, {}
        for path in sorted(glob.glob(os.path.join(package_dir(pkg), "*.go"))):
            base = os.path.basename(path)
            if base.endswith("_test.go") or base.startswith("zz_") or base == "generated.pb.go":
                continue
            self.read(open(path).read())
        self.proto = self.read_proto(os.path.join(package_dir(pkg), "generated.proto"))

    def read(self, text):
        imports = {}
        for m in re.finditer(r'^\s*(?:(\w+)\s+)?"k8s\.io/([\w./-]+)"$', text, re.M):
            imports[m[1] or short("/" + m[2])] = m[2]
        for m in re.finditer(r'^type (\w+) struct ?\{(\n.*?^|)\}', text, re.M | re.S):
            self.structs[m[1]] = m[2]
            self.imports[m[1]] = imports
            self.markers[m[1]] = self.markers_before(text, m.start())
        for m in re.finditer(r'^type (\w+) (=\s*)?([\[\]\w.*]+)$', text, re.M):
            self.named[m[1]] = m[3]
            self.imports[m[1]] = imports
            self.markers[m[1]] = self.markers_before(text, m.start())
        for m in re.finditer(r'^\s*(?:const )?(\w+)\s+(\w+)\s*=\s*("[^"]*")', text, re.M):
            self.enums.setdefault(m[2], []).append(json.loads(m[3]))
            self.consts[m[1]] = m[3]
        for m in re.finditer(r'^\s*(?:const )?\w+\s*=\s*(\w+)\(("[^"]*")\)', text, re.M):
            self.enums.setdefault(m[1], []).append(json.loads(m[2]))

    @staticmethod
    def markers_before(text, at):
        lines = []
        for line in reversed(text[:at].rstrip("\n").split("\n")):
            if line.strip() and not line.startswith("//"):
                break
            lines.append(line)
        return [l.lstrip("/ ") for l in lines if l.lstrip("/ ").startswith("+")]

    @staticmethod
    def read_proto(path):
        numbers = {}
        if not os.path.exists(path):
            return numbers
        for m in re.finditer(r'^message (\w+) \{\n(.*?)^\}', open(path).read(), re.M | re.S):
            for f in re.finditer(r'^  (?:optional|repeated|required|map<[^>]*>)[^=\n]* (\w+) = (\d+)',
                                 m[2], re.M):
                numbers[(m[1], f[1])] = int(f[2])
        return numbers


class Facts:
    def __init__(self):
        self.packages, self.done, self.out, self.enums = {}, set(), [], {}

    def package(self, pkg):
        if pkg not in self.packages:
            self.packages[pkg] = Package(pkg)
        return self.packages[pkg]

    def resolve(self, pkg, owner, name):
        """The package and bare name of a type named in Go source."""
        if "." in name:
            alias, bare = name.split(".")
            return self.package(pkg).imports[owner][alias], bare
        return pkg, name

    def type_of(self, pkg, owner, go):
        """(TYPE, Go's name of it, enum name or None, [(package, struct) it needs])"""
        if go.startswith("*"):
            return self.type_of(pkg, owner, go[1:])
        if go == "[]byte":
            return "bytes", "[]uint8", None, []
        if go.startswith("[]"):
            t, name, enum, needs = self.type_of(pkg, owner, go[2:])
            return f"list({t})", "[]" + ("*" if go[2] == "*" else "") + name, enum, needs
        m = re.match(r'map\[([\w.]+)\](.*)', go)
        if m:
            t, name, enum, needs = self.type_of(pkg, owner, m[2])
            _, key, _, _ = self.type_of(pkg, owner, m[1])
            if "." in m[2] or m[2][0].isupper():  # a named list is a message of its own on the wire
                src, bare = self.resolve(pkg, owner, m[2])
                if self.package(src).named.get(bare, "").startswith("[]"):
                    t = t.replace("list(", "wrapped(")
            return f"map({t})", f"map[{key}]{name}", enum, needs
        if go in SCALARS:
            return SCALARS[go], go, None, []
        src, bare = self.resolve(pkg, owner, go)
        name = f"{short(src)}.{bare}"
        if f"{src}.{bare}" in SPECIAL:
            special = SPECIAL[f"{src}.{bare}"]
            props = [(src, "JSONSchemaProps")] if special.startswith("props") else []
            return special, name, None, props
        p = self.package(src)
        if bare in p.structs:
            return f"ref:{openapi_name(src, bare)}", name, None, [(src, bare)]
        under = p.named[bare]
        t, _, enum, needs = self.type_of(src, bare, under)
        if "+enum" in p.markers[bare]:
            enum = name
            self.enums[name] = sorted(set(p.enums[bare]))
        return t, name, enum, needs

    def field(self, pkg, owner, line, markers):
        m = re.match(r'(?:(\w+)\s+)?([\[\]\w.*]+)\s+`(.*)`', line)
        tags = dict(re.findall(r'(\w+):"([^"]*)"', m[3]))
        name, *options = tags.get("json", "").split(",")
        if name == "-" or (not name and "inline" not in options):
            return None, []
        t, go, enum, needs = self.type_of(pkg, owner, m[2])
        inline = "inline" in options or not m[1] and not name
        proto = int(tags["protobuf"].split(",")[1]) if "protobuf" in tags else 0
        wire = re.search(r'name=(\w+)', tags.get("protobuf", ""))
        published = self.package(pkg).proto.get((owner, wire[1])) if wire else None
        if published is not None and published != proto:
            sys.exit(f"{pkg}.{owner}.{name}: tag says {proto}, generated.proto says {published}")
        parts = ["field", name or "-", f"proto={proto}", f"type={t}", f"go={go}"]
        parts += ["inline"] if inline else []
        parts += ["ptr"] if m[2].startswith("*") else []
        parts += [o for o in options if o in ("omitempty", "omitzero")]
        has = {k: v for k, _, v in (x[1:].partition("=") for x in reversed(markers))}
        keys = [x.partition("=")[2] for x in reversed(markers) if x.startswith("+listMapKey=")]
        optional = "optional" in has or "k8s:optional" in has or "omitempty" in options
        if "required" in has or "k8s:required" in has:
            optional = False
        parts += ["required"] if not optional and not inline else []
        parts += [f"list={has['listType']}"] if "listType" in has else []
        parts += [f"keys={','.join(keys)}"] if keys else []
        parts += [f"map={has['mapType']}"] if "mapType" in has else []
        parts += [f"patch={tags['patchStrategy']}"] if "patchStrategy" in tags else []
        parts += [f"merge-key={tags['patchMergeKey']}"] if "patchMergeKey" in tags else []
        parts += [f"enum={enum}"] if enum else []
        if "default" in has:
            ref = re.match(r'ref\((\w+)\)', has["default"])
            parts.append(f"default={self.package(pkg).consts[ref[1]] if ref else has['default']}")
        return " ".join(parts), needs

    @staticmethod
    def gvk(pkg, name):
        if name == "ListMeta" or name not in KINDS.get(pkg, "").split():
            return None
        group, version = pkg.split("/")[-2:]
        return f"{GROUPS.get(group, group)}/{version}/{name}"

    def struct(self, pkg, name):
        if (pkg, name) in self.done:
            return
        self.done.add((pkg, name))
        p = self.package(pkg)
        lines, needs, comment = [], [], []
        for line in p.structs[name].split("\n"):
            line = re.sub(r'\s*//.*$', '', line.strip()) if "`" in line else line.strip()
            if line.startswith("//"):
                text = line.lstrip("/ ")
                comment = [text] + comment if text.startswith("+") else comment
            elif "`" in line:
                fact, more = self.field(pkg, name, line, comment)
                lines += [fact] if fact else []
                needs += more
                comment = []
            elif not line:
                comment = []
        head = f"type {openapi_name(pkg, name)} go={short(pkg)}.{name}"
        head += " map-type=atomic" if "+structType=atomic" in p.markers[name] else ""
        gvk = self.gvk(pkg, name)
        head += f" gvk={gvk}" if gvk else ""
        self.out.append("\n".join([head] + lines))
        for src, bare in needs:
            self.struct(src, bare)

    def kinds(self):
        for pkg, names in KINDS.items():
            for name in names.split():
                self.struct(pkg, name)


def resources():
    """resource lines from the published discovery documents."""
    out = []
    top = os.path.join(MODULE_ROOT, f"kubernetes@v1.{VERSION[2:]}", "api/discovery")
    groups = json.load(open(os.path.join(top, "aggregated_v2.json")))["items"]
    core = json.load(open(os.path.join(top, "api__v1.json")))["resources"]
    wanted = {(GROUPS.get(p.split("/")[-2], p.split("/")[-2]), p.split("/")[-1], k)
              for p, names in KINDS.items() for k in names.split()}

    def line(gv, plural, kind, singular, scope, shorts, categories, subs):
        text = f"resource {gv} {plural} {kind} singular={singular} scope={scope}"
        text += f" short={','.join(shorts)}" if shorts else ""
        text += f" categories={','.join(categories)}" if categories else ""
        text += f" sub={','.join(subs)}" if subs else ""
        out.append(text)

    for r in core:
        if "/" not in r["name"] and ("", "v1", r["kind"]) in wanted:
            subs = [s["name"].split("/")[1] for s in core if s["name"].startswith(r["name"] + "/")]
            line("/v1", r["name"], r["kind"], r["singularName"],
                 "Namespaced" if r["namespaced"] else "Cluster", r.get("shortNames"),
                 r.get("categories"), subs)
    for g in groups:
        for v in g["versions"]:
            for r in v["resources"]:
                if (g["metadata"]["name"], v["version"], r["responseKind"]["kind"]) in wanted:
                    line(f"{g['metadata']['name']}/{v['version']}", r["resource"],
                         r["responseKind"]["kind"], r["singularResource"], r["scope"],
                         r.get("shortNames"), r.get("categories"),
                         [s["subresource"] for s in r.get("subresources", [])])
    return sorted(out)


def main():
    facts = Facts()
    facts.kinds()
    print(f"# Facts of the Kubernetes API, version {VERSION}. Made by scripts/extract_facts.py.")
    print("\n".join(resources()))
    for name in sorted(facts.enums):
        print("enum", name, *(json.dumps(v) for v in facts.enums[name]))
    print("\n".join(sorted(facts.out)))


main()
