#!/usr/bin/env python3
"""Defaults and validation, field by field: each field of a rich object of every built-in kind is left out,
emptied, made too long, negative, of another type, doubled; a real kube-apiserver and Operon's say the same
of it, in a dry run: the same object with its defaults, or the same refusal with the same causes.

KNOWN names what differs, and why. Needs what pair.py needs; skipped with the name of what is missing."""
import collections
import json
import os
import re
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../support"))
from changes import changes  # noqa: E402
from pair import PairTest, differences, timeless  # noqa: E402

# (kind, changed field and how, why)
KNOWN = [(re.compile(kind), re.compile(change), why) for kind, change, why in (
    ("pods", r"spec\.volumes\..*(int|x|\[\]|\{\}|\d{8,})$|spec\.containers.*Probe\..*(int|\[\]|\{\})$"
             r"|(envFrom|KeyRef).*int$|port\.\d{8,}$|(mode|defaultMode|expirationSeconds)\.50%$|optional\.str$", "wrong types: Go names its embedded structs on the way"),
    ("pods", r"serviceAccountName\.(\.\./x|/a|a\.b/c)$", "no such account, in other words"),
    ("pods", r"securityContext\.privileged\.not$", "the real one runs without --allow-privileged"),
    ("pods", r"automountServiceAccountToken", "the name of the token's volume is random"),
    ("pods", r"(configMapKeyRef|secretKeyRef)\.key\.\.\./x$|ports\.0\.name\.-1$|tcpSocket\.port\.(-1)?$",
     "of two rules that a name breaks one is told"),
    ("pods|deployments|replicasets", r"image\.", "the pull policy of what is no image"),
    ("deployments|replicasets", r"labels\.(\{\}|a\.-)$", "empty labels are none"),
    ("deployments", r"strategy\.type\.", "shows the type as it is in Go"),
    ("services", r"internalTrafficPolicy\.$", "an empty policy is none"),
    ("services", r"nodePort\.-?\d+$", "a dry run says too that a port is out of the range; Kubernetes first when it is given"),
    ("services", r"targetPort\.-1$", "of two rules that a name breaks one is told"),
    ("secrets.*|configmaps", r"^(data|binaryData|stringData)\..*null$", "null bytes are none"),
    ("secrets docker", r"^data\.\.dockerconfigjson", "what Go's parser says of bytes that are no JSON"),
    ("events.*|leases", r"(Time|imestamp)\.(é|x+)$", "Go's way of showing bytes, and the length of a message"),
    ("events.*|leases", r"(Time|imestamp)\.int$", "Go's way of naming types"),
    ("autoscalers", r"policies\.(\[\]|0\.-)$", "empty policies are none: the default ones"),
    ("autoscalers", r"containerResource\.name\.", "of two rules that a name breaks one is told"),
    ("autoscalers v1", r"targetCPUUtilizationPercentage|apiVersion\.-$", "refusals name the field of v1; dry runs show v1"),
    ("namespaces", r"spec\.finalizers", "of two rules that a name breaks one is told"),
    ("nodes", r"podCIDRs?", "podCIDR and podCIDRs are not made one of the other"),
    ("roles|clusterroles|endpointslices", r"^(rules|ports|endpoints)\.(\[\]|0\.-)$", "an empty list, where Kubernetes says null"),
)]
FREE = ("clusterIP", "clusterIPs", "healthCheckNodePort")  # what a Service is given is up to the server


def shown(answer):
    """What is compared of an answer."""
    body = timeless(answer.body)
    causes = body.get("details", {}).get("causes")
    if causes:
        body["details"]["causes"] = [c for i, c in enumerate(causes) if c not in causes[:i]]
        body.pop("message")  # the causes in one line
    body.get("metadata", {}).pop("managedFields", None)
    spec = body.get("spec", {})
    for name in FREE:
        spec.pop(name, None)
    if body.get("kind") == "Service":
        for port in spec.get("ports") or []:
            port.pop("nodePort", None)
    for endpoint in body.get("endpoints") or []:
        endpoint.pop("deprecatedTopology", None)  # kept; Kubernetes drops it in v1
    return answer.code, body


class Validation(PairTest):
    PORT = int(os.environ.get("VALIDATION_PORT", "19943"))

    def test_every_field(self):
        with open(os.path.join(HERE, "validation_objects.json")) as f:
            kinds = json.load(f)
        for side in self.pair.sides:
            side.call("POST", "/api/v1/namespaces", {"metadata": {"name": "wire"}})
            side.call("POST", "/api/v1/namespaces/wire/serviceaccounts", {"metadata": {"name": "default"}})
        counts, used = collections.Counter(), set()
        for kind, given in kinds.items():
            for change, obj in changes(given["object"]):
                real, own = map(shown, self.pair.both("POST", given["path"] + "?dryRun=All", obj))
                counts[kind] += 1
                why = [k for k in KNOWN if k[0].fullmatch(kind) and k[1].search(change)]
                if why and real != own:
                    used.add(why[0])
                elif real != own:
                    with self.subTest(kind, change=change):
                        self.fail("\n".join(differences(list(real), list(own))[:12]))
        print(f"{sum(counts.values())} objects of {len(counts)} kinds", file=sys.stderr)
        self.assertEqual([k for k in KNOWN if k not in used], [], "these differ no more: take them from KNOWN")


if __name__ == "__main__":
    unittest.main(verbosity=2)
