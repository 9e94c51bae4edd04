#!/usr/bin/env python3
"""Stock kubectl, what it does with workloads and nodes: rollouts, scaling, logs, waiting, draining, figures."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import wait_for  # noqa: E402
from kubectl import WEB, KubectlTest  # noqa: E402


class KubectlWorkloads(KubectlTest):
    nodes = 2

    def deployed(self, name, replicas=1):
        """A rolled out Deployment that the test's end takes away."""
        text = WEB.replace("web", name).replace("replicas: 2", f"replicas: {replicas}")
        self.k("apply", "-f", "-", text=text)
        self.addCleanup(self.k, "delete", "deploy", name, "--timeout=30s")
        self.rolled_out(name)
        return "deploy/" + name

    def rolled_out(self, name):
        self.assertIn("successfully rolled out", self.k("rollout", "status", "deploy/" + name, "--timeout=40s"))

    def container(self, target):
        return self.object(target)["spec"]["template"]["spec"]["containers"][0]

    def test_rollout(self):
        target = self.deployed("rolls")
        self.k("set", "env", target, "STEP=2")
        self.rolled_out("rolls")
        self.k("annotate", target, "kubernetes.io/change-cause=third")
        self.assertRegex(self.k("rollout", "history", target), r"1 +<none>\n2 +third")
        self.assertIn("STEP:\t2", self.k("rollout", "history", target, "--revision=2"))
        self.assertIn("unable to find the specified revision",
                      self.refused("rollout", "history", target, "--revision=9"))
        self.assertIn("rolled back", self.k("rollout", "undo", target, "--to-revision=1"))
        self.rolled_out("rolls")
        self.assertNotIn("env", self.container(target))
        self.assertRegex(self.k("rollout", "history", target), r"2 +third\n3 +")
        self.assertIn("unable to find specified revision", self.refused("rollout", "undo", target, "--to-revision=9"))

    def test_rollout_pauses_and_restarts(self):
        target = self.deployed("pauses")
        self.assertIn("paused", self.k("rollout", "pause", target))
        self.assertIn("already paused", self.refused("rollout", "pause", target))
        self.k("set", "env", target, "A=B")
        self.assertEqual(1, len(self.names("rs", "-l", "app=pauses")))
        self.assertIn("can't restart paused deployment", self.refused("rollout", "restart", target))
        self.k("rollout", "resume", target)
        self.rolled_out("pauses")
        self.assertEqual(2, len(self.names("rs", "-l", "app=pauses")))
        before = self.names("pods", "-l", "app=pauses")
        self.k("rollout", "restart", target)
        self.rolled_out("pauses")
        self.assertIn("restartedAt", self.k("get", target, "-o", "yaml"))
        wait_for("the old pod gone", 20, lambda: not set(before) & set(self.names("pods", "-l", "app=pauses")))

    def test_set(self):
        target = self.deployed("sets", 0)
        self.k("set", "image", target, "c=operon.local/host:v2")
        self.k("set", "resources", target, "-c=c", "--limits=cpu=200m,memory=64Mi")
        self.k("set", "env", target, "A=B", "C=D")
        self.k("set", "env", target, "A-")
        self.k("create", "sa", "sets")
        self.k("set", "serviceaccount", target, "sets")
        box = self.container(target)
        self.assertEqual("operon.local/host:v2", box["image"])
        self.assertEqual({"cpu": "200m", "memory": "64Mi"}, box["resources"]["limits"])
        self.assertEqual([{"name": "C", "value": "D"}], box["env"])
        self.assertIn("C=D", self.k("set", "env", target, "--list"))
        self.assertEqual("sets", self.path(".spec.template.spec.serviceAccountName", target))
        self.assertIn("unable to find container", self.refused("set", "image", target, "x=y"))
        self.k("create", "service", "clusterip", "sets", "--tcp=80")
        self.k("set", "selector", "svc", "sets", "app=sets,x=y")
        self.assertEqual('{"app":"sets","x":"y"}', self.path(".spec.selector", "svc", "sets"))

    def test_scale_and_autoscale(self):
        target = self.deployed("scales")
        self.k("scale", target, "--replicas=3", "--current-replicas=1")
        wait_for("three", 20, lambda: self.path(".status.readyReplicas", target) == "3")
        self.assertIn("Expected replicas to be 9, was 3", self.refused(
            "scale", target, "--replicas=1", "--current-replicas=9"))
        self.k("scale", "rs,deploy", "-l", "app=scales", "--replicas=2")
        wait_for("two", 20, lambda: self.path(".status.replicas", target) == "2")
        self.assertIn("autoscaled", self.k("autoscale", target, "--min=2", "--max=3", "--cpu-percent=80"))
        hpa = self.object("hpa.v2.autoscaling", "scales")["spec"]
        self.assertEqual((2, 3, 80), (hpa["minReplicas"], hpa["maxReplicas"],
                                      hpa["metrics"][0]["resource"]["target"]["averageUtilization"]))
        self.refused("autoscale", target, "--max=3")  # it is there; newer kubectl does not say so
        self.assertIn("max", self.refused("autoscale", target, "--name=x", "--min=4", "--max=3"))
        wait_for("a measured target", 20, lambda: "%/80%" in self.k("get", "hpa", "scales"))
        self.k("delete", "hpa", "scales")

    def test_expose(self):
        target = self.deployed("shown", 2)
        self.k("expose", target, "--port=80", "--target-port=8080", "--name=shown-here")
        wait_for("both addresses", 20, lambda: len(self.path(
            ".items[*].endpoints[*].addresses[0]", "endpointslices", "-l",
            "kubernetes.io/service-name=shown-here").split()) == 2)
        self.assertEqual(2, len(self.path(".subsets[*].addresses[*].ip", "endpoints", "shown-here").split()))
        self.assertRegex(self.k("describe", "svc", "shown-here"), r"Endpoints: +[\d.]+:8080,[\d.]+:8080")
        self.assertIn("couldn't find port", self.refused("expose", target, "--name=x"))

    def test_wait(self):
        target = self.deployed("waits")
        self.assertIn("condition met", self.k("wait", target, "--for=condition=Available", "--timeout=10s"))
        self.assertIn("condition met", self.k("wait", target, "--for=jsonpath={.status.readyReplicas}=1",
                                              "--timeout=10s"))
        self.assertIn("condition met", self.k("wait", "pod", "-l", "app=waits", "--for=condition=Ready",
                                              "--timeout=10s"))
        self.assertIn("timed out", self.refused("wait", target, "--for=condition=Nothing", "--timeout=1s"))
        self.k("wait", "pod/nothere", "--for=delete", "--timeout=1s")

    def test_logs(self):
        target = self.deployed("talks", 2)
        pod = self.names("pods", "-l", "app=talks")[0]
        wait_for("both lines", 10, lambda: self.k("logs", pod) == "hello from one\nbye\n")
        self.assertEqual("bye\n", self.k("logs", target, "--tail=1"))
        self.assertEqual(15, len(self.k("logs", pod, "--limit-bytes=15")))
        self.assertRegex(self.k("logs", pod, "-c", "c", "--timestamps"), r"^\d{4}-\d\d-\d\dT[\d:.]+Z hello")
        self.assertEqual(2, self.k("logs", "-l", "app=talks", "--since=1h", "--all-containers", "--prefix")
                         .count("hello from one"))
        self.assertIn("bye", self.k("logs", "-f", pod, "--pod-running-timeout=5s", "--request-timeout=2s",
                                    check=False).stdout)
        self.assertIn("not valid for pod", self.refused("logs", pod, "-c", "nothere"))
        self.assertIn('previous terminated container "c" in pod', self.refused("logs", pod, "-p"))

    def test_logs_of_the_one_before(self):
        self.k("run", "again", "--image=operon.local/host", "--command", "--", "sh", "-c",
               "echo life; sleep 0.2; exit 3")
        self.addCleanup(self.k, "delete", "pod", "again", "--grace-period=0", "--force")
        wait_for("a restart", 20, lambda: self.k("logs", "again", "-p", check=False).stdout == "life\n")
        self.assertIn("Exit Code:    3", self.k("describe", "pod", "again"))

    def test_run(self):
        self.k("run", "once", "--image=operon.local/host", "--restart=Never", "--command", "--", "echo", "done")
        self.assertIn("condition met", self.k("wait", "pod/once", "--for=jsonpath={.status.phase}=Succeeded",
                                              "--timeout=20s"))
        self.assertEqual("done\n", self.k("logs", "once"))
        self.assertIn("Completed", self.k("get", "pod", "once"))
        self.assertIn("already exists", self.refused("run", "once", "--image=x"))
        self.assertIn("qosClass: BestEffort", self.k("run", "dry", "--image=x", "--dry-run=server", "-o", "yaml"))
        self.k("delete", "pod", "once", "--now")

    def test_nodes(self):
        self.k("cordon", "node-2")
        self.assertIn("Ready,SchedulingDisabled", self.k("get", "node", "node-2"))
        self.assertIn("already cordoned", self.k("cordon", "node-2"))
        self.k("uncordon", "node-2")
        self.assertIn("tainted", self.k("taint", "nodes", "node-2", "k=v:NoSchedule"))
        self.assertIn("already has k taint", self.refused("taint", "nodes", "node-2", "k=w:NoSchedule"))
        self.k("taint", "nodes", "node-2", "k=w:NoSchedule", "--overwrite")
        self.assertIn("k=w:NoSchedule", self.k("describe", "node", "node-2"))
        self.assertIn("untainted", self.k("taint", "nodes", "node-2", "k-"))
        self.assertEqual("", self.path(".spec.taints", "node", "node-2"))

    def test_drain(self):
        self.deployed("moves", 2)
        self.addCleanup(self.k, "uncordon", "node-2")
        self.k("create", "pdb", "moves", "--selector=app=moves", "--min-available=1")
        self.addCleanup(self.k, "delete", "pdb", "moves")
        self.k("run", "alone", "--image=operon.local/host", "--overrides",
               '{"spec":{"nodeName":"node-2","terminationGracePeriodSeconds":1}}', "--command", "--", "sleep", "3600")
        wait_for("it runs", 20, lambda: self.path(".status.phase", "pod", "alone") == "Running")
        self.assertIn("cannot delete Pods that declare no controller", self.refused("drain", "node-2"))
        text = self.k("drain", "node-2", "--force", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=50s")
        self.assertIn("pod/alone evicted", text)
        self.assertIn("drained", text)
        left = self.path(".items[*].metadata.name", "pods", "--field-selector=spec.nodeName=node-2")
        self.assertEqual("", left)
        self.rolled_out("moves")
        self.k("scale", "deploy/moves", "--replicas=1")
        wait_for("one", 20, lambda: len(self.names("pods", "-l", "app=moves")) == 1)
        pod = self.names("pods", "-l", "app=moves")[0].removeprefix("pod/")
        eviction = ('{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"%s","namespace":"default"}}' % pod)
        self.assertIn("disruption budget", self.refused(
            "create", "--raw", f"/api/v1/namespaces/default/pods/{pod}/eviction", "-f", "-", text=eviction))

    def test_top(self):
        self.deployed("busy")
        wait_for("its figures", 20, lambda: "busy-" in self.k("top", "pods", "-l", "app=busy", check=False).stdout)
        self.assertRegex(self.k("top", "pod", "-A", "--containers"), r"default +busy-\S+ +c +\d+m +\d+Mi")
        self.assertRegex(self.k("top", "nodes", "--sort-by=cpu"), r"node-1 +\d+m +\d+%")


if __name__ == "__main__":
    unittest.main(verbosity=2)
