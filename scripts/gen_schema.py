#!/usr/bin/env python3
"""Turns apiserver/schema/facts/{kubernetes,overlay}.txt into C tables.

    scripts/gen_schema.py KUBERNETES.txt OVERLAY.txt OUTPUT.c

The tables are those of apiserver/schema/table.h. Types are nodes of one array T, fields rows of one
array F, so that the compiler shares the strings and nothing is made at run time.
"""
import json
import re
import sys

NODES = {"any": "ANY", "bool": "BOOL", "int32": "INT32", "int64": "INT64", "double": "DOUBLE",
         "string": "STRING", "bytes": "BYTES", "time": "TIME", "microtime": "MICROTIME",
         "quantity": "QUANTITY", "intorstr": "INTORSTR", "raw": "RAW", "json": "RAW",
         "fieldsv1": "FIELDSV1", "props-or-array": "PROPS_OR_ARRAY",
         "props-or-bool": "PROPS_OR_BOOL", "props-or-strings": "PROPS_OR_STRINGS"}
LIST_TYPES = {None: "DEFAULT", "atomic": "ATOMIC", "set": "SET", "map": "MAP"}
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
CRD = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
SUBRESOURCES = "status scale binding log eviction token finalize exec attach".split()


def full_name(short):
    group = short.split(".")[0]
    if group == "meta":
        return META + short.split(".")[-1]
    if group == "apiextensions":
        return CRD + short.split(".")[-1]
    return "io.k8s.api." + short


def c_text(text):
    return "NULL" if text is None else json.dumps(text)


class Schema:
    def __init__(self):
        self.types, self.resources, self.enums = {}, {}, {}
        self.kinds, self.defaults, self.hooks, self.selectable = [], {}, {}, {}

    def read(self, path):
        current = None
        for line in open(path):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            word, rest = line.split(" ", 1)
            if word == "type":
                name, *attrs = rest.split(" ")
                current = self.types[name] = dict(self.attrs(attrs), name=name, fields=[])
            elif word == "field":
                name, *attrs = rest.split(" ")
                current["fields"].append(dict(self.attrs(attrs), name=name))
            elif word == "resource":
                gv, plural, kind, *attrs = rest.split(" ")
                self.resources[f"{gv}/{kind}"] = dict(self.attrs(attrs), plural=plural)
            elif word == "enum":
                name, values = rest.split(" ", 1)
                self.enums[name] = json.loads("[" + re.sub('" "', '","', values) + "]")
            elif word == "kind":
                gvk, *attrs = rest.split(" ")
                self.kinds.append(dict(self.attrs(attrs), gvk=gvk))
            elif word == "default":
                name, field, value = rest.split(" ", 2)
                json.loads(value)
                self.defaults[(full_name(name), field)] = value
            elif word == "hook":
                name, hook = rest.split(" ")
                self.hooks[full_name(name)] = hook
            elif word == "fields":
                gvk, *names = rest.split(" ")
                self.selectable[gvk] = names
            else:
                sys.exit(f"{path}: unknown fact: {line}")

    @staticmethod
    def attrs(words):
        return {k: (v if eq else True) for k, eq, v in (w.partition("=") for w in words)}


class Emitter:
    def __init__(self, schema):
        self.s = schema
        self.nodes, self.rows = {}, []  # key -> index; C text of each node
        self.fields = []
        self.lists = {}  # tuple of strings -> C name

    def strings(self, values):
        """The name of a NULL-terminated array of strings."""
        if not values:
            return "NULL"
        key = tuple(values)
        return self.lists.setdefault(key, f"L{len(self.lists)}")

    def node(self, kind, go, elem=None, **more):
        key = (kind, go, elem, tuple(sorted((k, str(v)) for k, v in more.items())))
        if key not in self.nodes:
            self.nodes[key] = len(self.rows)
            parts = [f".node = OPR_NODE_{kind}", f".go_name = {c_text(go)}"]
            parts += [f".elem = &T[{elem}]"] if elem is not None else []
            parts += [f".{k} = {v}" for k, v in more.items()]
            self.rows.append(", ".join(parts))
        return self.nodes[key]

    def message(self, name):
        key = ("message", name)
        if key in self.nodes:
            return self.nodes[key]
        index = self.nodes[key] = len(self.rows)
        self.rows.append(None)
        t = self.s.types[name]
        fields = self.message_fields(name)
        first = len(self.fields)
        self.fields += fields
        hook = self.s.hooks.get(name)
        parts = ["node = OPR_NODE_OBJECT", f"name = {c_text(name)}", f"go_name = {c_text(t['go'])}",
                 f"fields = &F[{first}]", f"field_count = {len(fields)}"]
        parts += ["flags = OPR_SCHEMA_MAP_ATOMIC"] if t.get("map-type") else []
        parts += [f"set_defaults = opr__default_{hook}"] if hook else []
        self.rows[index] = ", ".join("." + p for p in parts)
        return index

    def message_fields(self, name):
        """C rows; what is inlined in JSON becomes rows of its own, plus one for the wire."""
        rows = []
        for f in self.s.types[name]["fields"]:
            if not f.get("inline"):
                rows.append(self.field(name, f, int(f["proto"])))
                continue
            inner = f["type"][len("ref:"):]
            for g in self.s.types[inner]["fields"]:
                rows.append(self.field(inner, g, 0))
            if int(f["proto"]):
                rows.append(f"{{.type = &T[{self.message(inner)}], .proto_no = {f['proto']}, "
                            ".flags = OPR_FIELD_INLINE}")
        return rows

    def field(self, owner, f, proto):
        flags = [n for a, n in (("ptr", "PTR"), ("omitempty", "OMITEMPTY"),
                                ("omitzero", "OMITZERO"), ("required", "REQUIRED")) if f.get(a)]
        patch = f.get("patch", "").split(",")
        flags += ["PATCH_MERGE"] if "merge" in patch else []
        flags += ["PATCH_REPLACE"] if "replace" in patch else []
        flags += ["PATCH_RETAIN_KEYS"] if "retainKeys" in patch else []
        parts = [f"name = {c_text(f['name'])}", f"type = &T[{self.type_of(f)}]"]
        default = self.s.defaults.pop((owner, f["name"]), None)
        if default is not None:
            self.s.defaults[(owner, f["name"])] = default
            parts.append(f"default_json = {c_text(default)}")
        parts += [f"merge_key = {c_text(f['merge-key'])}"] if "merge-key" in f else []
        parts += [f"proto_no = {proto}"] if proto else []
        parts += ["flags = " + " | ".join("OPR_FIELD_" + n for n in flags)] if flags else []
        return "{" + ", ".join("." + p for p in parts) + "}"

    def go_name(self, text):
        if text.startswith("ref:"):
            return self.s.types[text[len("ref:"):]]["go"]
        return {"quantity": "resource.Quantity"}.get(text, text)

    def type_of(self, f):
        return self.parse(f["type"], f["go"], f)

    def parse(self, text, go, f):
        """The node of a TYPE; list and map attributes belong to the outermost one."""
        m = re.match(r"(list|wrapped|map)\((.*)\)$", text)
        if m:
            inner_go = re.sub(r"^(\[\]\*?|map\[[\w.]+\])", "", go)
            if inner_go == go:  # a named list or map does not say what it holds
                inner_go = self.go_name(m[2])
            elem = self.parse(m[2], inner_go, {"enum": f.get("enum")})
            more = {}
            if m[1] == "list":
                more["list_type"] = "OPR_LIST_" + LIST_TYPES[f.get("list")]
                if "keys" in f:
                    more["keys"] = self.strings(f["keys"].split(","))
            elif m[1] == "map" and f.get("map") == "atomic":
                more["flags"] = "OPR_SCHEMA_MAP_ATOMIC"
            return self.node(m[1].upper(), go, elem, **more)
        if text.startswith("ref:"):
            name = text[len("ref:"):]
            if f.get("map") == "atomic" and not self.s.types[name].get("map-type"):
                self.s.types[name]["map-type"] = "atomic"
            return self.message(name)
        more = {}
        if f.get("enum"):
            more["enums"] = self.strings(self.s.enums[f["enum"]])
        elem = self.message(CRD + "JSONSchemaProps") if text.startswith("props") else None
        return self.node(NODES[text], go, elem, **more)

    def kind(self, k):
        gvk = k["gvk"]
        group, version, name = gvk.split("/")
        r = dict(self.s.resources.get(gvk, {}), **{a: k[a] for a in ("plural", "singular", "scope")
                                                    if a in k})
        type_name = next(t["name"] for t in self.s.types.values() if t.get("gvk") == gvk)
        subs = [f"OPR_SUB_{s.upper()}" for s in SUBRESOURCES if s in k.get("sub", "").split(",")]
        scale = k["scale"].split(",") if "scale" in k else [None] * 3
        index = {x["gvk"]: i for i, x in enumerate(self.s.kinds)}
        parts = [f"group = {c_text(group)}", f"version = {c_text(version)}",
                 f"kind = {c_text(name)}", f"list_kind = {c_text(name + 'List')}",
                 f"plural = {c_text(r['plural'])}", f"singular = {c_text(r['singular'])}",
                 f"short_names = {self.strings(r.get('short', '').split(',') if 'short' in r else [])}",
                 f"categories = {self.strings(r['categories'].split(',') if 'categories' in r else [])}",
                 f"is_namespaced = {str(r['scope'] == 'Namespaced').lower()}",
                 f"is_virtual = {str('virtual' in k).lower()}",
                 f"has_generation = {str('generation' in k).lower()}",
                 f"subresources = {' | '.join(subs) or '0'}",
                 f"type = &T[{self.message(type_name)}]",
                 f"scale_spec_replicas = {c_text(scale[0])}",
                 f"scale_status_replicas = {c_text(scale[1])}",
                 f"scale_selector = {c_text(scale[2])}"]
        if "stored-as" in k:
            parts.append(f"stored_as = &opr__kinds[{index[k['stored-as']]}]")
        return "    {" + ",\n     ".join("." + p for p in parts) + "},"

    def emit(self):
        s = self.s
        kinds = [self.kind(k) for k in s.kinds]
        infos = [f"    {{.selectable = {self.strings(s.selectable.get(k['gvk']))}}}," for k in s.kinds]
        metas = {n: self.message(META + m) for n, m in (("object_meta", "ObjectMeta"),
                                                         ("type_meta", "TypeMeta"),
                                                         ("list_meta", "ListMeta"))}
        out = ['/* Made by scripts/gen_schema.py. */', '#include "apiserver/schema/hooks.h"',
               '#include "apiserver/schema/table.h"', '']
        out += [f"static const struct opr_schema_type T[{len(self.rows)}];"]
        out += [f"static const char *const {n}[] = {{{', '.join(map(c_text, v))}, NULL}};"
                for v, n in self.lists.items()]
        out += [f"static const struct opr_type_field F[{len(self.fields)}] = {{"]
        out += [f"    {f}," for f in self.fields] + ["};"]
        out += [f"static const struct opr_schema_type T[{len(self.rows)}] = {{"]
        out += [f"    {{{r}}}," for r in self.rows] + ["};"]
        out += [f"const struct opr_kind opr__kinds[{len(kinds)}] = {{"] + kinds + ["};"]
        out += [f"const struct opr__kind_info opr__kind_infos[{len(kinds)}] = {{"] + infos + ["};"]
        out += [f"const size_t opr__kinds_count = {len(kinds)};"]
        out += [f"const struct opr_schema_type *const opr__type_{n} = &T[{i}];"
                for n, i in metas.items()]
        out += ['const struct opr_schema_type opr__type_any = {.node = OPR_NODE_ANY, '
                '.go_name = "interface {}"};']
        return "\n".join(out) + "\n"


def check(schema):
    for name, field in schema.defaults:
        if not any(f["name"] == field for f in schema.types[name]["fields"]):
            sys.exit(f"overlay: default for {name}.{field}: no such field")
    for name in schema.hooks:
        if name not in schema.types:
            sys.exit(f"overlay: hook for {name}: no such type")


def main():
    schema = Schema()
    schema.read(sys.argv[1])
    schema.read(sys.argv[2])
    check(schema)
    text = Emitter(schema).emit()
    with open(sys.argv[3], "w") as f:
        f.write(text)


main()
