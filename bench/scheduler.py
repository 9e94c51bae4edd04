#!/usr/bin/env python3
"""Scheduling throughput beside kube-scheduler: PODS plain pods on NODES nodes that nobody runs, the same
kube-apiserver and etcd for both, in turn. Pods are created first; then the scheduler starts.

usage: scheduler.py --build BUILD [--pods 3000] [--nodes 1000]

A figure: pods bound a second (from the first binding to the last), CPU of the scheduler a pod, its
largest resident set. Needs the fixture of REAL_KUBERNETES (up.sh, down.sh) and the programs of
REAL_BIN."""
import argparse
import concurrent.futures
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REAL = os.environ.get("REAL_KUBERNETES", os.path.join(HERE, "../../shared/real"))
REAL_BIN = os.environ.get("REAL_BIN", os.path.expanduser("~/.cache/real-kubernetes/bin"))
PORT = 21643
PODS = "/api/v1/namespaces/default/pods"
WRITERS = 8


class Server:
    def __init__(self, folder):
        self.folder = folder
        env = dict(os.environ, REAL_BIN=REAL_BIN, WITH="",
                   DISABLE_ADMISSION="ServiceAccount,TaintNodesByCondition,Priority")
        subprocess.run(["bash", os.path.join(REAL, "up.sh"), folder, str(PORT)], env=env, check=True,
                       capture_output=True)
        self.kubeconfig = os.path.join(folder, "admin.kubeconfig")
        self.tls = ssl.create_default_context(cafile=os.path.join(folder, "ca.crt"))
        self.tls.load_cert_chain(os.path.join(folder, "admin.crt"), os.path.join(folder, "admin.key"))

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", PORT, context=self.tls, timeout=120)

    def call(self, connection, method, path, body=None):
        connection.request(method, path, json.dumps(body) if body else None,
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)

    def create(self, path, objects):
        def some(part):
            connection = self.connect()
            for o in part:
                self.call(connection, "POST", path, o)
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            for done in [pool.submit(some, objects[i::WRITERS]) for i in range(WRITERS)]:
                done.result()

    def stop(self):
        subprocess.run(["bash", os.path.join(REAL, "down.sh"), self.folder], capture_output=True)


def node(i):
    size = {"cpu": "16", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    return {"metadata": {"name": f"node-{i}", "labels": {"kubernetes.io/hostname": f"node-{i}",
                                                         "topology.kubernetes.io/zone": f"z{i % 3}"}},
            "status": {"capacity": size, "allocatable": size}}


def pod(i):
    return {"metadata": {"name": f"pod-{i}"}, "spec": {"containers": [
        {"name": "c", "image": "x", "resources": {"requests": {"cpu": "100m", "memory": "100Mi"}}}]}}


class Bound(threading.Thread):
    """Watches until so many pods name a node; the times of the first and of the last."""

    def __init__(self, server, wanted):
        super().__init__(daemon=True)
        self.wanted, self.first, self.last, self.names = wanted, None, None, set()
        self.connection = server.connect()
        since = server.call(self.connection, "GET", PODS + "?limit=1")["metadata"]["resourceVersion"]
        self.connection.request("GET", f"{PODS}?watch=1&resourceVersion={since}")
        self.answer = self.connection.getresponse()

    def run(self):
        while len(self.names) < self.wanted:
            o = json.loads(self.answer.readline())["object"]
            if o["spec"].get("nodeName"):
                self.names.add(o["metadata"]["name"])
                self.last = time.monotonic()
                self.first = self.first or self.last


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        ticks = f.read().rsplit(")", 1)[1].split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)) / 1024


def measure(server, name, command, pods):
    server.create(PODS, [pod(i) for i in range(pods)])
    watcher = Bound(server, pods)
    watcher.start()
    with open(os.path.join(server.folder, name + ".log"), "w", encoding="utf-8") as log:
        program = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        watcher.join(timeout=180)
        cpu, memory = cpu_seconds(program.pid), peak_mib(program.pid)
        program.terminate()
        program.wait(timeout=30)
    if len(watcher.names) < pods:
        raise RuntimeError(f"{name}: {len(watcher.names)} of {pods} pods after 180 s")
    rate = pods / max(watcher.last - watcher.first, 0.001)
    print(f"{name:16} {rate:8.0f} pods/s   {1000 * cpu / pods:6.2f} ms CPU a pod   {memory:6.0f} MiB",
          flush=True)
    server.call(server.connect(), "DELETE", PODS + "?gracePeriodSeconds=0")
    return rate, cpu / pods


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--build", required=True)
    arguments.add_argument("--pods", type=int, default=3000)
    arguments.add_argument("--nodes", type=int, default=1000)
    a = arguments.parse_args()
    server = Server(tempfile.mkdtemp(prefix="operon-bench-scheduler-"))
    try:
        server.create("/api/v1/nodes", [node(i) for i in range(a.nodes)])
        config = os.path.join(server.folder, "scheduler.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write("apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
                    f"clientConnection: {{kubeconfig: {server.kubeconfig}, qps: 10000, burst: 10000, "
                    "contentType: application/vnd.kubernetes.protobuf}\n"
                    "leaderElection: {leaderElect: false}\n")
        theirs = measure(server, "kube-scheduler", [os.path.join(REAL_BIN, "kube-scheduler"), "--config",
                                                    config, "--secure-port", "0"], a.pods)
        ours = measure(server, "operon", [os.path.join(a.build, "operon"), "run", "--kubeconfig",
                                          server.kubeconfig, "--plugin", "scheduler"], a.pods)
        print(f"operon / kube-scheduler: {ours[0] / theirs[0]:.2f} of the rate, "
              f"{ours[1] / theirs[1]:.2f} of the CPU")
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
