"""The node agent seen from outside: what it repairs, what it leaves behind, and what it does while
the API server does not answer."""
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from cluster import ClusterTest, find_kubectl, is_alive, wait_for  # noqa: E402

# OPERON_SOAK=40 is the long form: 200 Pods.
SOAK_ROUNDS = int(os.environ.get("OPERON_SOAK", "4"))
SOAK_PODS = 5
COMPARISON_S = 45  # two periods, and time to spare on a busy machine

THREE = """
---
apiVersion: v1
kind: Pod
metadata: {name: %(name)s}
spec:
  nodeName: %(node)s
  terminationGracePeriodSeconds: 2
  initContainers:
  - {name: first, image: operon.local/host, command: [sh, -c, "echo made > /scratch/made"],
     volumeMounts: [{name: scratch, mountPath: /scratch}]}
  containers:
  - {name: a, image: operon.local/host, command: [sh, -c, "cat /scratch/made; exec sleep 600"],
     volumeMounts: [{name: scratch, mountPath: /scratch}, {name: config, mountPath: /config}]}
  - {name: b, image: operon.local/host, command: [sleep, "600"],
     livenessProbe: {exec: {command: ["true"]}, periodSeconds: 1}}
  - {name: c, image: operon.local/host, command: [sh, -c, "sleep 600 & wait"]}
  volumes:
  - {name: scratch, emptyDir: {medium: Memory}}
  - {name: config, configMap: {name: kube-root-ca.crt}}
"""

ECHO = """
---
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, labels: {app: %(name)s}}
spec:
  nodeName: %(node)s
  hostname: %(name)s
  subdomain: set
  terminationGracePeriodSeconds: 1
  hostAliases: [{ip: 10.1.2.3, hostnames: [far, away]}]
  containers:
  - name: main
    image: operon.local/host
    command: [sh, -c, "while true; do date +%%s%%N; sleep 0.2; done"]
    volumeMounts: [{name: config, mountPath: /config}]
  volumes: [{name: config, configMap: {name: kube-root-ca.crt}}]
"""


@unittest.skipIf(os.geteuid() != 0, "needs namespaces and cgroups")
@unittest.skipIf(find_kubectl() is None, "needs kubectl")
class AgentTest(ClusterTest):
    def setUp(self):
        self.node = self.cluster.get("nodes")["items"][0]["metadata"]["name"]
        self.agent = self.find_agent()
        self.dir = os.path.join(self.cluster.dir, "nodes", self.node)

    def find_agent(self):
        return self.cluster.pids()[self.node]

    def pod(self, name):
        return self.cluster.get("pods", name)

    def state(self, name, container=0):
        return self.pod(name).get("status", {}).get("containerStatuses", [{}])[container]

    def apply(self, text):
        self.cluster.kubectl("apply", "--validate=false", "-f", "-", text=text)

    def start(self, name):
        self.apply(ECHO % {"name": name, "node": self.node})
        wait_for(f"{name} ready", 30, lambda: self.state(name).get("ready"))
        return self.pod(name)

    def remove(self, *names):
        self.cluster.kubectl("delete", "pod", *names, "--wait=false")
        wait_for("pods gone", 30, lambda: not [
            p for p in self.cluster.get("pods")["items"] if p["metadata"]["name"] in names])

    def run_dir(self, pod, container="main", attempt=0):
        return os.path.join(self.dir, "pods", pod["metadata"]["uid"], "containers", container,
                            str(attempt))

    def inside(self, pod, *command):
        with open(os.path.join(self.run_dir(pod), "app.pid")) as f:
            pid = f.read().split()[0]
        return subprocess.run(["nsenter", "-t", pid, "-n", "-m", *command], capture_output=True,
                              text=True, timeout=20)

    def reaches(self, pod):
        """Nothing listens there: who is reached says so, at once."""
        try:
            socket.create_connection((pod["status"]["podIP"], 9), timeout=1).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            pass
        return False

    # -- what is left behind --

    def belongings(self):
        """What the agent and its Pods hold of the machine."""
        with open("/proc/self/mounts") as f:
            mounts = sum(self.cluster.dir in line for line in f)
        zombies = 0
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                zombies += fields[0] == "Z" and int(fields[1]) == self.agent
            except OSError:
                pass
        links = subprocess.run(["ip", "-o", "link", "show", "master", self.bridge()],
                               capture_output=True, text=True).stdout.count("\n")
        with open(f"/proc/{self.agent}/smaps_rollup") as f:
            pss = next(int(line.split()[1]) for line in f if line.startswith("Pss_Anon:"))
        return {"fds": len(os.listdir(f"/proc/{self.agent}/fd")), "zombies": zombies,
                "mounts": mounts, "links": links,
                "namespaces": len(os.listdir(os.path.join(self.dir, "netns"))),
                "folders": len(os.listdir(os.path.join(self.dir, "pods"))),
                "threads": len(os.listdir(f"/proc/{self.agent}/task"))}, pss

    def bridge(self):
        cidr = self.cluster.get("nodes", self.node)["spec"]["podCIDR"].split(".")
        return f"opr{cidr[1]}-{cidr[2]}"

    def round(self, number):
        names = [f"soak-{number}-{i}" for i in range(SOAK_PODS)]
        self.apply("".join(THREE % {"name": n, "node": self.node} for n in names))

        def running():
            pods = [p for p in self.cluster.get("pods")["items"] if p["metadata"]["name"] in names]
            ready = [p for p in pods if [c["ready"] for c in
                                         p["status"].get("containerStatuses", [])] == [True] * 3]
            return pods if len(ready) == SOAK_PODS else None
        pods = wait_for("pods ready", 60, running)
        self.remove(*names)
        return [p["metadata"]["uid"] for p in pods]

    def test_cycles_leave_nothing(self):
        uids = self.round(0)  # what is made once is there afterwards
        before, pss_before = self.belongings()
        for number in range(1, SOAK_ROUNDS + 1):
            uids += self.round(number)
        after = None

        def settled():
            nonlocal after
            after, _ = self.belongings()
            # a connection to the API may be open at one time and not at another
            return all(after[k] <= before[k] + (4 if k == "fds" else 0) for k in before)
        try:
            wait_for("what the pods had is given back", 20, settled)
        except AssertionError:
            self.fail(f"before {before}, after {after}")
        _, pss_after = self.belongings()
        print(f"soak: {len(uids)} pods, before {before} {pss_before} KiB, after {after} {pss_after} KiB",
              file=sys.stderr)
        self.assertLess(pss_after, pss_before + 1500 + 10 * SOAK_ROUNDS, "memory in KiB")
        self.assertEqual("", self.cgroups_of(uids))

    @staticmethod
    def cgroups_of(uids):
        return subprocess.run(["find", "/sys/fs/cgroup", "-type", "d", "-regex",
                               ".*/\\(" + "\\|".join(uids) + "\\)"], capture_output=True,
                              text=True).stdout

    def test_an_agent_that_is_killed_at_any_moment_leaves_nothing_either(self):
        self.round("warm")
        before, _ = self.belongings()
        random.seed(7)
        uids = []
        for number in range(max(1, SOAK_ROUNDS // 2)):
            names = [f"kill-{number}-{i}" for i in range(SOAK_PODS)]
            self.apply("".join(THREE % {"name": n, "node": self.node} for n in names))
            uids += [p["metadata"]["uid"] for p in self.cluster.get("pods")["items"]]
            for doing in (lambda: None, lambda: self.cluster.kubectl(
                    "delete", "pod", *names, "--wait=false")):
                doing()
                time.sleep(random.random() * 0.4)
                os.kill(self.agent, signal.SIGKILL)
                wait_for("the agent is gone", 5, lambda: not is_alive(self.agent))
                wait_for("the next agent", 20, lambda: is_alive(self.find_agent()))
                self.agent = self.find_agent()
            wait_for("pods gone", 60, lambda: not self.cluster.get("pods")["items"])
        after = None

        def settled():
            nonlocal after
            after, _ = self.belongings()
            return all(after[k] <= before[k] + (4 if k == "fds" else 0) for k in before)
        try:
            wait_for("what the pods had is given back", 30, settled)
        except AssertionError:
            self.fail(f"before {before}, after {after}")
        self.assertEqual("", self.cgroups_of(uids))

    # -- what the comparison repairs --

    def test_the_comparison_repairs_the_network(self):
        link, namespace, log = (self.start(n) for n in ("link", "namespace", "log"))
        names = subprocess.run(["ip", "-o", "link", "show", "master", self.bridge()],
                               capture_output=True, text=True).stdout
        self.assertIn("oprv", names)
        self.assertTrue(self.reaches(link))
        subprocess.run(["nsenter", "--net=" + os.path.join(self.dir, "netns", link["metadata"]["uid"]),
                        "ip", "link", "delete", "eth0"], check=True)
        path = os.path.join(self.dir, "netns", namespace["metadata"]["uid"])
        subprocess.run(["umount", "-l", path], check=True)
        os.unlink(path)
        os.unlink(os.path.join(self.run_dir(log), "log"))
        table = next(line.split()[2] for line in subprocess.run(
            ["nft", "list", "tables"], capture_output=True, text=True).stdout.splitlines()
            if line.split()[2] == self.table())
        subprocess.run(["nft", "delete", "table", "ip", table], check=True)
        self.assertFalse(self.reaches(link))
        wait_for("the link is back", COMPARISON_S, lambda: self.reaches(link), 0.5)
        wait_for("the namespace is back", COMPARISON_S, lambda: os.path.exists(path), 0.5)
        wait_for("the rules are back", COMPARISON_S, lambda: subprocess.run(
            ["nft", "list", "table", "ip", table], capture_output=True).returncode == 0, 0.5)
        wait_for("the log is back", 5, lambda: self.cluster.kubectl("logs", "log", "--tail=1"))
        self.assertTrue(self.reaches(namespace))
        # It is the container's own namespace again, not another one.
        with open(os.path.join(self.run_dir(namespace), "app.pid")) as f:
            own = os.stat(f"/proc/{f.read().split()[0]}/ns/net")
        self.assertEqual(own.st_ino, os.stat(path).st_ino)
        # The bridge takes every link with it; and routes.
        subprocess.run(["ip", "link", "delete", self.bridge()], check=True)
        cluster_range = ".".join(link["status"]["podIP"].split(".")[:2]) + ".0.0/16"
        subprocess.run(["ip", "route", "delete", "unreachable", cluster_range], check=True)
        wait_for("all are reached again", COMPARISON_S,
                 lambda: all(map(self.reaches, (link, namespace, log))), 0.5)
        self.assertIn(f"unreachable {cluster_range}", subprocess.run(
            ["ip", "route"], capture_output=True, text=True).stdout)
        for name in ("link", "namespace", "log"):
            self.assertEqual(0, self.state(name)["restartCount"], "no container was restarted")
        self.remove("link", "namespace", "log")

    def table(self):
        service = self.cluster.get("services", "kubernetes")["spec"]["clusterIP"].split(".")
        return f"operon-{service[1]}"

    def test_a_folder_that_is_removed_ends_what_ran_in_it(self):
        pod = self.start("gone")
        with open(os.path.join(self.run_dir(pod), "app.pid")) as f:
            pid = int(f.read().split()[0])
        subprocess.run(["rm", "-rf", os.path.join(self.dir, "pods", pod["metadata"]["uid"])])
        wait_for("it runs again", COMPARISON_S, lambda: self.state("gone")["restartCount"] == 1
                 and self.state("gone")["ready"], 0.5)
        self.assertFalse(os.path.exists(f"/proc/{pid}"), "the first program runs beside the second")
        last = self.state("gone")["lastState"]["terminated"]
        self.assertEqual("ContainerStatusUnknown", last["reason"])
        self.assertEqual(137, last["exitCode"])
        self.remove("gone")

    # -- without the API server --

    def test_pods_go_on_while_the_api_server_hangs_and_events_come_later(self):
        pod = self.start("alone")
        server = self.cluster.pids()["apiserver"]
        os.kill(server, signal.SIGSTOP)
        try:
            with open(os.path.join(self.run_dir(pod), "app.pid")) as f:
                os.kill(int(f.read().split()[0]), signal.SIGKILL)
            wait_for("it runs again", 10, lambda: os.path.exists(
                os.path.join(self.run_dir(pod, attempt=1), "app.pid")))
            os.kill(self.agent, signal.SIGKILL)
            wait_for("the agent is gone", 5, lambda: not is_alive(self.agent))
            with open(os.path.join(self.run_dir(pod, attempt=1), "app.pid")) as f:
                os.kill(int(f.read().split()[0]), signal.SIGKILL)
            wait_for("the next agent runs it again", 40, lambda: os.path.exists(
                os.path.join(self.run_dir(pod, attempt=2), "app.pid")))
        finally:
            os.kill(server, signal.SIGCONT)
        wait_for("the restart is told", 40, lambda: self.state("alone")["restartCount"] == 2
                 and self.state("alone")["ready"])

        def starts():
            events = self.cluster.get("events")["items"]
            # that of the second start was lost with the first agent
            return sum(e.get("count", 1) for e in events if e["reason"] == "Started"
                       and e["involvedObject"]["name"] == "alone") >= 2
        wait_for("the event of it came", 40, starts)
        self.remove("alone")

    # -- files --

    def test_a_pod_knows_itself_and_its_aliases(self):
        pod = self.start("named")
        hosts = self.inside(pod, "cat", "/etc/hosts").stdout
        self.assertIn("# Kubernetes-managed hosts file.\n", hosts)
        self.assertIn(f"{pod['status']['podIP']}\tnamed.set.default.svc.cluster.local\tnamed\n", hosts)
        self.assertIn("10.1.2.3\tfar\taway\n", hosts)
        self.assertEqual("named\n", self.inside(pod, "cat", "/etc/hostname").stdout)
        address = self.cluster.get("services", "kubernetes")["spec"]["clusterIP"]
        with open(os.path.join(self.run_dir(pod), "app.pid")) as f, \
                open(f"/proc/{f.read().split()[0]}/environ") as e:
            env = dict(v.split("=", 1) for v in e.read().split("\0") if v)
        self.assertEqual(env["HOSTNAME"], "named")
        self.assertEqual(env["KUBERNETES_SERVICE_HOST"], address)
        self.assertEqual(env["KUBERNETES_PORT"], f"tcp://{address}:443")
        self.assertEqual(env["KUBERNETES_PORT_443_TCP_ADDR"], address)
        self.assertEqual(env["KUBERNETES_PORT_443_TCP_PROTO"], "tcp")
        self.remove("named")


@unittest.skipIf(os.geteuid() != 0, "needs namespaces and cgroups")
@unittest.skipIf(find_kubectl() is None, "needs kubectl")
class EmptyStoreTest(ClusterTest):
    def test_an_api_server_that_lost_its_store_gets_its_nodes_again(self):
        pod = {"name": "before", "node": "node-1"}
        self.cluster.kubectl("apply", "--validate=false", "-f", "-", text=ECHO % pod)
        wait_for("it runs", 30, lambda: self.cluster.get("pods", "before")["status"].get("phase")
                 == "Running")
        uid = self.cluster.get("pods", "before")["metadata"]["uid"]
        pids = self.cluster.pids()
        os.kill(pids["up"], signal.SIGSTOP)  # else the next server is there at once
        try:
            os.kill(pids["apiserver"], signal.SIGKILL)
            wait_for("the server is gone", 5, lambda: not is_alive(pids["apiserver"]))
            shutil.rmtree(os.path.join(self.cluster.dir, "store"))
            os.mkdir(os.path.join(self.cluster.dir, "store"), 0o700)
        finally:
            os.kill(pids["up"], signal.SIGCONT)
        wait_for("the node is there again", 40, lambda: "node-1" in self.cluster.operon(
            "get", "nodes", "--no-headers", check=False), 0.5)
        self.assertEqual([], self.cluster.get("pods")["items"])
        folder = os.path.join(self.cluster.dir, "nodes", "node-1", "pods", uid)
        wait_for("what nobody wants is ended", 40, lambda: not os.path.exists(folder), 0.5)
        pod["name"] = "after"
        self.cluster.kubectl("apply", "--validate=false", "-f", "-", text=ECHO % pod)
        wait_for("the next pod runs", 40, lambda: self.cluster.get("pods", "after")["status"].get(
            "phase") == "Running")


if __name__ == "__main__":
    unittest.main()
