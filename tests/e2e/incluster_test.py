#!/usr/bin/env python3
"""An operator in a Pod: 'operon run' without a kubeconfig, with the rights of its ServiceAccount alone."""
import json
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "../..")
sys.path.insert(0, os.path.join(HERE, "../support"))
from cluster import OPERON, ClusterTest, wait_for  # noqa: E402

TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
RIGHTS = [
    {"apiGroups": ["demo.example"], "resources": ["webs"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["demo.example"], "resources": ["webs/status"], "verbs": ["patch", "update"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["services", "configmaps"], "verbs": ["*"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update", "patch"]},
    {"apiGroups": ["operon.local"], "resources": ["luapolicies"], "verbs": ["get", "list", "watch"]},
]


def rbac(kind, name, **rest):
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}, **rest}


def pod(name, command, **spec):
    container = {"name": "c", "image": "operon.local/host", "command": command}
    container["volumeMounts"] = spec.pop("mounts", [])
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 2, **spec}}


@unittest.skipUnless(os.geteuid() == 0, "mounting the token needs root")
class InCluster(ClusterTest):
    nodes = 1

    def apply(self, *objects):
        self.cluster.operon("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List",
                                                                "items": objects}))

    def names(self, kind):
        return [o["metadata"]["name"] for o in self.cluster.get(kind)["items"]]

    def log(self, name):
        return self.cluster.operon("logs", name, check=False)

    def test_a_controller_with_its_own_rights(self):
        self.cluster.operon("apply", "-f", os.path.join(ROOT, "examples/web-crd.yaml"))
        with open(os.path.join(ROOT, "examples/lua-web/web.lua")) as f:
            source = f.read()
        subject = {"kind": "ServiceAccount", "name": "web-operator", "namespace": "default"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "web-operator"}
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "data": {"web.lua": source},
                    "metadata": {"name": "policy", "namespace": "default"}},
                   rbac("ClusterRole", "web-operator", rules=RIGHTS),
                   {"apiVersion": "v1", "kind": "ServiceAccount",
                    "metadata": {"name": "web-operator", "namespace": "default"}},
                   rbac("ClusterRoleBinding", "web-operator", roleRef=role, subjects=[subject]))
        self.apply(pod("web-operator",
                       [OPERON, "run", "--plugin", "policy", "--policy", "/etc/policy/web.lua",
                        "--lease", "default/web-operator"],
                       serviceAccountName="web-operator",
                       mounts=[{"name": "policy", "mountPath": "/etc/policy"}],
                       volumes=[{"name": "policy", "configMap": {"name": "policy"}}]),
                   {"apiVersion": "demo.example/v1", "kind": "Web",
                    "metadata": {"name": "front", "namespace": "default"}, "spec": {"replicas": 0, "message": "hi"}})
        try:
            wait_for("a Deployment of the Web", 15, lambda: "front" in self.names("deployments"))
        except AssertionError as e:
            raise AssertionError(f"{e}: {self.log('web-operator')}") from None
        lease = next(o for o in self.cluster.get("leases")["items"]
                     if o["metadata"]["name"] == "web-operator")
        self.assertTrue(lease["spec"]["holderIdentity"].startswith("web-operator_"), lease)
        self.assertNotIn("orbidden", self.log("web-operator"))

    def test_the_token_ends_with_its_pod(self):
        self.apply(pod("reader", ["/bin/sh", "-c", f"cat {TOKEN}/token; echo; sleep 1000"]))
        token = wait_for("a token", 10, lambda: self.log("reader").strip())
        config = os.path.join(self.cluster.dir, "reader.kubeconfig")
        with open(self.cluster.kubeconfig) as f:
            cluster = [line for line in f.read().splitlines() if "server:" in line or "authority-data" in line]
        with open(config, "w") as f:
            f.write("apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: c\n  cluster:\n" +
                    "".join(f"    {line.strip().lstrip('- ')}\n" for line in cluster) +
                    f"users:\n- name: u\n  user: {{token: {token}}}\n" +
                    "contexts:\n- name: c\n  context: {cluster: c, user: u}\n")

        def answer():
            done = self.cluster.kubectl("--kubeconfig", config, "get", "pods", check=False)
            return done.stderr
        self.assertIn('User "system:serviceaccount:default:default" cannot list resource "pods"', answer())
        self.cluster.kubectl("delete", "pod", "reader", "--now")
        self.assertIn("nauthorized", answer())

    def test_pods_may_go_without(self):
        self.apply(pod("plain", ["/bin/sh", "-c", f"ls {TOKEN} || echo none; sleep 1000"],
                       automountServiceAccountToken=False))
        wait_for("its word", 10, lambda: "none" in self.log("plain"))
        text = json.dumps(pod("lost", ["/bin/true"], serviceAccountName="nobody"))
        done = self.cluster.kubectl("create", "-f", "-", text=text, check=False)
        self.assertIn('error looking up service account default/nobody: serviceaccount "nobody" not found',
                      done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
