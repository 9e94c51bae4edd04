#!/usr/bin/env python3
"""Stock kubectl against the embedded cluster: the commands that a user types, and what they answer."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import ClusterTest, find_kubectl, wait_for  # noqa: E402

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: c
        image: operon.local/host
        command: [sh, -c, "echo hello from $0; exec sleep 3600", one]
"""


@unittest.skipUnless(find_kubectl(), "no kubectl on this machine; set KUBECTL to one")
class Kubectl(ClusterTest):
    nodes = 2

    def k(self, *args, **kw):
        return self.cluster.kubectl(*args, kubectl=find_kubectl(), **kw)

    def test_01_version_and_discovery(self):
        self.assertIn("Server Version", self.k("version"))
        names = self.k("api-resources", "-o", "name")
        for name in ("pods", "deployments.apps", "leases.coordination.k8s.io",
                     "customresourcedefinitions.apiextensions.k8s.io"):
            self.assertIn(name + "\n", names)
        self.assertIn("replicas", self.k("explain", "deployment.spec"))

    def test_02_nodes(self):
        table = self.k("get", "nodes")
        self.assertEqual(2, table.count(" Ready "))
        self.assertIn("Allocatable", self.k("describe", "node", "node-1"))

    def test_10_apply_rollout(self):
        self.assertIn("deployment.apps/web created", self.k("apply", "-f", "-", text=WEB))
        self.assertIn("successfully rolled out",
                      self.k("rollout", "status", "deploy/web", "--timeout=30s"))
        self.assertIn("unchanged", self.k("apply", "-f", "-", text=WEB))
        self.assertIn("2/2", self.k("get", "deploy", "web"))
        self.assertIn("condition met",
                      self.k("wait", "deploy/web", "--for=condition=Available", "--timeout=10s"))

    def test_11_logs(self):
        pod = json.loads(self.k("get", "pods", "-l", "app=web", "-o", "json"))["items"][0]
        self.assertIn("hello from one", self.k("logs", pod["metadata"]["name"]))

    def test_12_scale(self):
        self.k("scale", "deploy/web", "--replicas=3")
        wait_for("3 of 3", 20, lambda: "3/3" in self.k("get", "deploy", "web"))

    def test_13_update_and_undo(self):
        self.k("apply", "-f", "-", text=WEB.replace("one]", "two]").replace("replicas: 2", "replicas: 3"))
        self.k("rollout", "status", "deploy/web", "--timeout=40s")
        history = self.k("rollout", "history", "deploy/web")
        self.assertIn("2 ", history)
        self.k("rollout", "undo", "deploy/web")
        self.k("rollout", "status", "deploy/web", "--timeout=40s")
        command = self.k("get", "deploy", "web", "-o",
                         "jsonpath={.spec.template.spec.containers[0].command[3]}")
        self.assertEqual("one", command)

    def test_14_describe_and_events(self):
        text = self.k("describe", "deploy", "web")
        self.assertIn("ScalingReplicaSet", text)
        self.assertIn("RollingUpdate", text)

    def test_20_create_sends_protobuf(self):
        self.k("create", "configmap", "cm", "--from-literal=a=b")
        self.assertEqual("b", self.k("get", "cm", "cm", "-o", "jsonpath={.data.a}"))
        self.k("create", "namespace", "other")
        self.k("create", "deployment", "two", "--image=operon.local/host", "-n", "other",
               "--", "sleep", "3600")
        self.k("create", "secret", "generic", "s", "--from-literal=p=q")
        self.k("create", "serviceaccount", "robot")

    def test_21_patch_label_annotate(self):
        self.k("patch", "cm", "cm", "-p", '{"data":{"c":"d"}}')
        self.k("patch", "cm", "cm", "--type=json", "-p",
               '[{"op":"add","path":"/data/e","value":"f"}]')
        self.k("label", "cm", "cm", "l=1")
        self.k("annotate", "cm", "cm", "n=1")
        cm = json.loads(self.k("get", "cm", "cm", "-o", "json"))
        self.assertEqual({"a": "b", "c": "d", "e": "f"}, cm["data"])
        self.assertEqual("1", cm["metadata"]["labels"]["l"])

    def test_22_refusals(self):
        bad = self.k("create", "configmap", "cm", check=False)
        self.assertIn('configmaps "cm" already exists', bad.stderr)
        bad = self.k("get", "pod", "nothere", check=False)
        self.assertIn('pods "nothere" not found', bad.stderr)
        bad = self.k("apply", "-f", "-", check=False, text=WEB.replace("replicas: 2", "replcas: 2"))
        self.assertIn('unknown field "spec.replcas"', bad.stderr)
        bad = self.k("apply", "-f", "-", check=False, text=WEB.replace("{app: web}}\n  template",
                                                                      "{app: other}}\n  template"))
        self.assertNotEqual(0, bad.returncode)

    def test_23_rbac(self):
        self.assertEqual("yes\n", self.k("auth", "can-i", "create", "pods"))
        denied = self.k("auth", "can-i", "create", "pods", "--as=system:serviceaccount:default:robot",
                        check=False)
        self.assertEqual("no\n", denied.stdout)
        bad = self.k("get", "pods", "--as=system:serviceaccount:default:robot", check=False)
        self.assertIn("pods is forbidden", bad.stderr)
        self.k("create", "rolebinding", "see", "--clusterrole=view",
               "--serviceaccount=default:robot")
        wait_for("role takes effect", 5, lambda: self.k(
            "get", "pods", "--as=system:serviceaccount:default:robot", check=False).returncode == 0)
        token = self.k("create", "token", "robot").strip()
        server = self.k("config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}")
        done = subprocess.run(["curl", "-sk", "-H", f"Authorization: Bearer {token}",
                               f"{server}/api/v1/namespaces/default/pods"], capture_output=True, text=True)
        self.assertEqual("PodList", json.loads(done.stdout)["kind"])

    def test_24_watch(self):
        watch = subprocess.Popen(
            [find_kubectl(), "--kubeconfig", self.cluster.kubeconfig, "get", "cm", "-w",
             "--request-timeout=4s"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_for("first line", 5, lambda: watch.stdout.readline().startswith("NAME"))
        self.k("create", "configmap", "seen", "--from-literal=a=b")
        text, _ = watch.communicate(timeout=20)
        self.assertIn("seen", text)

    def test_30_service(self):
        self.k("expose", "deploy/web", "--port=80")
        wait_for("endpoints", 10, lambda: self.k(
            "get", "endpointslices", "-l", "kubernetes.io/service-name=web", "-o",
            "jsonpath={.items[*].endpoints[*].addresses[0]}").split())
        self.assertIn("Endpoints:", self.k("describe", "svc", "web"))

    def test_31_crd(self):
        self.k("apply", "-f", "-", text="""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: webs.demo.example}
spec:
  group: demo.example
  names: {plural: webs, singular: web, kind: Web, shortNames: [wb]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer, minimum: 1}}}}}}
""")
        self.k("wait", "crd/webs.demo.example", "--for=condition=Established", "--timeout=10s")
        made = "apiVersion: demo.example/v1\nkind: Web\nmetadata: {name: w}\nspec: {size: %d}\n"
        wait_for("kind served", 10, lambda: self.k("apply", "-f", "-", text=made % 2,
                                                   check=False).returncode == 0, 0.5)
        self.assertEqual("2", self.k("get", "webs.demo.example", "w", "-o", "jsonpath={.spec.size}"))
        bad = self.k("apply", "-f", "-", text=made % 0, check=False)
        self.assertIn("spec.size", bad.stderr)

    def test_32_unschedulable_says_why(self):
        self.k("apply", "-f", "-", text="""
apiVersion: v1
kind: Pod
metadata: {name: huge}
spec: {containers: [{name: c, image: operon.local/host, command: [sleep, "1"], resources: {requests: {cpu: "1000"}}}]}
""")
        wait_for("the reason", 10, lambda: "Insufficient cpu" in self.k("describe", "pod", "huge"))
        self.k("delete", "pod", "huge")

    def test_33_top(self):
        wait_for("metrics", 15, lambda: self.k("top", "pods", check=False).returncode == 0, 0.5)
        self.assertIn("node-1", self.k("top", "nodes"))

    def test_40_delete_cascades(self):
        self.k("delete", "deploy", "web", "--timeout=30s")
        wait_for("pods gone", 20, lambda: not json.loads(
            self.k("get", "pods", "-l", "app=web", "-o", "json"))["items"])

    def test_41_namespace_goes(self):
        self.k("delete", "namespace", "other", "--timeout=40s")
        bad = self.k("get", "namespace", "other", check=False)
        self.assertIn("not found", bad.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
