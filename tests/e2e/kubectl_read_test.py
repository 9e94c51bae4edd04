#!/usr/bin/env python3
"""Stock kubectl, what it reads: every form of get, describe of every kind, explain, auth, raw paths."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import find_kubectl, wait_for  # noqa: E402
from kubectl import WEB, KubectlTest  # noqa: E402


class KubectlReads(KubectlTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        kubectl = cls.cluster.kubectl
        kubectl("apply", "-f", "-", text=WEB)
        kubectl("rollout", "status", "deploy/web", "--timeout=30s")
        kubectl("create", "namespace", "other")
        for name, label in (("a", "1"), ("b", "2"), ("c", "2")):
            kubectl("create", "configmap", name, "--from-literal=key=" + name)
            kubectl("label", "configmap", name, "size=" + label, "own=yes")
        kubectl("create", "configmap", "a", "-n", "other")
        kubectl("label", "configmap", "a", "-n", "other", "own=yes")

    def test_discovery(self):
        version = json.loads(self.k("version", "-o", "json"))
        self.assertEqual("1", version["serverVersion"]["major"])
        wide = self.k("api-resources", "-o", "wide", "--no-headers").splitlines()
        kinds = {(line.split()[0], line.split()[-1]) for line in wide}
        self.assertTrue(any(name == "horizontalpodautoscalers" for name, _ in kinds))
        hpa = [line for line in wide if line.startswith("horizontalpodautoscalers")]
        self.assertEqual(1, len(hpa), "one line a resource")
        self.assertIn("autoscaling/v2", hpa[0], "the preferred version")
        self.assertNotIn("pods", self.k("api-resources", "--namespaced=false", "--api-group=", "-o", "name").split())
        self.assertEqual({"deployments.apps", "replicasets.apps"},
                         set(self.k("api-resources", "--api-group=apps", "-o", "name").split()))
        versions = self.k("api-versions").split()
        for name in ("v1", "apps/v1", "autoscaling/v1", "autoscaling/v2", "policy/v1"):
            self.assertIn(name, versions)
        self.assertEqual(sorted(versions), versions)
        self.assertIn("is running at", self.k("cluster-info"))

    def test_get_tables(self):
        header, *rows = self.k("get", "pods", "-o", "wide").splitlines()
        self.assertEqual(["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"], header.split()[:7])
        self.assertEqual(2, len(rows))
        self.assertIn("node-1", rows[0])
        self.assertTrue(self.k("get", "pods", "--no-headers").startswith("web-"))
        self.assertIn("app=web", self.k("get", "pods", "--show-labels"))
        self.assertEqual("SIZE", self.k("get", "cm", "-L", "size").splitlines()[0].split()[-1])
        self.assertIn("NAMESPACE", self.k("get", "cm", "-A").splitlines()[0])
        everything = self.k("get", "all")
        for word in ("pod/web-", "service/kubernetes", "deployment.apps/web", "replicaset.apps/web-"):
            self.assertIn(word, everything)
        two = self.k("get", "deploy/web", "cm/a", "--no-headers")
        self.assertIn("deployment.apps/web", two)
        self.assertIn("configmap/a", two)

    def test_get_outputs(self):
        self.assertEqual("kind: ConfigMap", self.k("get", "cm", "a", "-o", "yaml").splitlines()[3])
        self.assertEqual("ConfigMap", self.object("cm", "a")["kind"])
        self.assertEqual("List", self.object("cm,pods")["kind"])
        self.assertEqual("a", self.path(".data.key", "cm", "a"))
        self.assertEqual("a b c", self.path(".items[*].data.key", "cm", "-l", "own=yes"))
        self.assertEqual("K\na\n", self.k("get", "cm", "a", "-o", "custom-columns=K:.data.key"))
        self.assertEqual("a", self.k("get", "cm", "a", "-o", "go-template={{.data.key}}"))
        self.assertEqual(["configmap/a"], self.names("cm", "a"))

    def test_get_selects(self):
        self.assertEqual(["configmap/b", "configmap/c"], self.names("cm", "-l", "size=2"))
        self.assertEqual(["configmap/a"], self.names("cm", "-l", "size in (1,3),own"))
        self.assertEqual(["configmap/a"], self.names("cm", "-l", "own,size!=2"))
        self.assertEqual(["configmap/b"], self.names("cm", "--field-selector", "metadata.name=b"))
        self.assertEqual(2, len(self.names("pods", "--field-selector=status.phase=Running,spec.nodeName=node-1")))
        self.assertEqual([], self.names("pods", "--field-selector", "status.phase=Failed"))
        self.assertIn("is not a known field selector", self.refused("get", "cm", "--field-selector", "data.key=a"))
        self.assertIn("parse", self.refused("get", "cm", "-l", "a b").lower())
        self.assertEqual(4, len(self.names("cm", "-A", "-l", "own")))

    def test_get_sorts_and_pages(self):
        lines = self.k("get", "cm", "-l", "own", "--sort-by=.metadata.name", "--no-headers").split("\n")
        self.assertEqual(["a", "b", "c"], [line.split()[0] for line in lines if line])
        pages = self.k("get", "cm", "-A", "-l", "own", "--chunk-size=1", "-v=6", check=False)
        self.assertGreaterEqual(pages.stderr.count("limit=1"), 4, "one request a page")
        self.assertEqual(4, pages.stdout.count("\n") - 1)

    def test_get_subresources(self):
        self.assertEqual("2", self.path(".spec.replicas", "deploy", "web", "--subresource=scale"))
        self.assertEqual("2", self.path(".status.replicas", "deploy", "web", "--subresource=status"))

    def watched(self, change, until, *args):
        """What a watch prints while change() is called again and again, until a text is in it."""
        with tempfile.TemporaryFile("w+") as out:
            watch = subprocess.Popen([find_kubectl(), "--kubeconfig", self.cluster.kubeconfig, "get", "cm",
                                      *args], stdout=out, stderr=subprocess.DEVNULL)

            def read():
                change()
                out.seek(0)
                text = out.read()
                return text if until in text else None

            try:
                return wait_for(until, 20, read)
            finally:
                watch.terminate()
                watch.wait()

    def test_get_watches(self):
        self.addCleanup(self.k, "delete", "cm", "seen", "--ignore-not-found")

        def come_and_go():
            self.k("create", "cm", "seen")
            self.k("delete", "cm", "seen")

        text = self.watched(come_and_go, "DELETED", "-w", "--output-watch-events")
        self.assertRegex(text, r"ADDED +a ")
        self.assertRegex(text, r"ADDED +seen ")
        text = self.watched(come_and_go, "configmap/seen\n", "--watch-only", "-o", "name")
        self.assertNotIn("configmap/a\n", text, "only what changed")

    def test_describe_workloads(self):
        pod = self.names("pods", "-l", "app=web")[0]
        for target, words in (
                (pod, ("Controlled By:  ReplicaSet/web-", "QoS Class:", "Burstable", "Successfully assigned")),
                ("deploy/web", ("RollingUpdateStrategy:", "MinimumReplicasAvailable", "ScalingReplicaSet")),
                ("rs", ("Controlled By:  Deployment/web", "2 Running / 0 Waiting")),
                ("node/node-1", ("Lease:", "KubeletReady", "Allocated resources:", "web-")),
                ("ns/other", ("Status:       Active",)),
                ("svc/kubernetes", ("TargetPort:", "443/TCP")),
                ("cm/a", ("Data\n====\nkey:",)),
                ("clusterrole/view", ("PolicyRule:", "autoupdate: true")),
                ("clusterrolebinding/cluster-admin", ("system:masters",)),
                ("priorityclass/system-node-critical", ("2000001000",)),
                ("sa/default", ("Name:                default",)),
                ("lease/node-1 -n kube-node-lease", ("Holder Identity:",)),
                ("crd/luapolicies.operon.local", ("Established",))):
            text = self.k("describe", *target.split())
            for word in words:
                self.assertIn(word, text, target)
        self.assertIn("Reason:", self.k("describe", "events"))
        self.assertIn("not found", self.refused("describe", "pod", "nothere"))

    def test_describe_what_was_made(self):
        self.k("create", "secret", "generic", "hidden", "--from-literal=p=secretword")
        text = self.k("describe", "secret", "hidden")
        self.assertIn("p:  10 bytes", text)
        self.assertNotIn("secretword", text)
        self.k("create", "pdb", "keep", "--selector=app=web", "--min-available=1")
        self.assertIn("Min available:  1", self.k("describe", "pdb", "keep"))
        self.k("delete", "pdb", "keep")
        self.k("autoscale", "deploy/web", "--min=2", "--max=3")
        wait_for("conditions", 10, lambda: "AbleToScale" in self.k("describe", "hpa", "web"))
        self.assertIn("Reference:", self.k("describe", "hpa", "web"))
        self.k("delete", "hpa", "web")

    def test_events(self):
        text = self.k("events", "--for=deploy/web", "--types=Normal")
        self.assertIn("Scaled up replica set", text)
        self.assertNotIn("Node/", text)
        self.assertIn("No events", self.k("events", "--for=cm/a", check=False).stderr)
        self.assertIn("ScalingReplicaSet", self.k("get", "events", "--field-selector=involvedObject.kind=Deployment"))

    def test_explain(self):
        text = self.k("explain", "deployment.spec.template.spec.containers.resources")
        self.assertIn("limits", text)
        self.assertIn("FIELD: resources <ResourceRequirements>", text)
        tree = self.k("explain", "hpa", "--recursive")
        self.assertIn("stabilizationWindowSeconds", tree)
        self.assertIn("targetCPUUtilizationPercentage",
                      self.k("explain", "hpa.spec", "--api-version=autoscaling/v1"))
        self.assertIn("KIND:       LuaPolicy", self.k("explain", "luapolicy"))
        self.assertIn("does not exist", self.refused("explain", "pod.spec.nothere"))

    def test_auth(self):
        self.assertEqual("yes\n", self.k("auth", "can-i", "*", "*"))
        self.assertEqual("no\n", self.k("auth", "can-i", "get", "pods", "--as=joe", check=False).stdout)
        self.assertEqual("yes\n", self.k("auth", "can-i", "get", "/version", "--as=joe", "--as-group=system:authenticated"))
        self.k("create", "sa", "reader")
        self.k("create", "role", "reads", "--verb=get,list", "--resource=pods,pods/log")
        self.k("create", "rolebinding", "reads", "--role=reads", "--serviceaccount=default:reader")
        account = "--as=system:serviceaccount:default:reader"
        listed = self.k("auth", "can-i", "--list", account)
        self.assertRegex(listed, r"pods/log +\[\] +\[\] +\[get list\]")
        self.assertEqual("yes\n", self.k("auth", "can-i", "get", "pods", "--subresource=log", account))
        self.assertEqual("no\n", self.k("auth", "can-i", "get", "pods", "-n", "other", account, check=False).stdout)
        self.assertIn('cannot create resource "pods" in API group "" in the namespace "default"',
                      self.refused("run", "x", "--image=operon.local/host", account))
        self.assertRegex(self.k("auth", "whoami"), r"Username +admin")
        role = self.k("get", "role", "reads", "-o", "yaml").replace("- list\n", "- watch\n")
        self.assertIn("reads reconciled", self.k("auth", "reconcile", "-f", "-", text=role))
        self.assertEqual("yes\n", self.k("auth", "can-i", "watch", "pods", account))

    def test_a_node_reads_no_strangers_secret(self):
        self.k("create", "secret", "generic", "private", "--from-literal=p=q")
        config = os.path.join(self.cluster.dir, "nodes/node-1/kubeconfig")
        done = subprocess.run([find_kubectl(), "--kubeconfig", config, "get", "secret", "private"],
                              capture_output=True, text=True)
        self.assertIn("no relationship found between node 'node-1' and this object", done.stderr)
        done = subprocess.run([find_kubectl(), "--kubeconfig", config, "get", "node", "node-1", "-o", "name"],
                              capture_output=True, text=True)
        self.assertEqual("node/node-1\n", done.stdout, done.stderr)

    def test_raw(self):
        self.assertEqual("ok", self.k("get", "--raw", "/healthz"))
        self.assertEqual("ok", self.k("get", "--raw", "/readyz"))
        self.assertIn("/apis/apps/v1", json.loads(self.k("get", "--raw", "/"))["paths"])
        self.assertEqual(["v1"], json.loads(self.k("get", "--raw", "/api"))["versions"])
        self.assertIn("apis/apps/v1", json.loads(self.k("get", "--raw", "/openapi/v3"))["paths"])
        page = json.loads(self.k("get", "--raw", "/api/v1/configmaps?limit=1"))
        self.assertEqual(1, len(page["items"]))
        self.assertTrue(page["metadata"]["continue"])
        self.assertIn("NotFound", self.refused("get", "--raw", "/nothere"))

    def test_config(self):
        self.assertEqual("operon\n", self.k("config", "current-context"))
        view = self.k("config", "view", "--minify")
        self.assertIn("server: https://127.0.0.1:", view)
        self.assertIn("operon", self.k("config", "get-contexts", "-o", "name"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
