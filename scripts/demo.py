#!/usr/bin/env python3
"""The whole flow once, on real processes: apply, scale under load, a killed process, a killed node,
load gone. Prints a timeline with measured times and exits non-zero where a step fails."""
import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NODE_GRACE_S = 3.0


class Failed(Exception):
    pass


class Demo:
    def __init__(self, build, nodes, keep):
        self.build = os.path.abspath(build)
        self.operon = os.path.join(self.build, "operon")
        self.load_program = os.path.join(self.build, "examples", "shop-load")
        self.dir = tempfile.mkdtemp(prefix="operon-demo-")
        self.nodes = nodes
        self.keep = keep
        self.started = time.monotonic()
        self.failures = []
        self.load = None
        self.env = dict(os.environ, PATH=os.path.join(self.build, "examples") + ":" + os.environ["PATH"])
        self.env.pop("KUBECONFIG", None)

    # -- output
    def tell(self, text):
        print(text, flush=True)

    def say(self, text):
        self.tell(f"{time.monotonic() - self.started:7.2f} s  {text}")

    def step(self, text, seconds, limit=None):
        mark = "" if limit is None else f"  (limit {limit:.0f} s)"
        bad = limit is not None and seconds > limit
        self.say(f"{'FAIL' if bad else 'ok  '}  {text}: {seconds:.2f} s{mark}")
        if bad:
            self.failures.append(text)

    # -- the program
    def run(self, *args, check=True, timeout=60):
        done = subprocess.run([self.operon, *args], capture_output=True, text=True, env=self.env,
                              timeout=timeout)
        if check and done.returncode != 0:
            raise Failed(f"operon {' '.join(args)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def get(self, kind, name=None, *args):
        words = ["get", kind] + ([name] if name else []) + ["-o", "json", "--dir", self.dir, *args]
        return json.loads(self.run(*words))

    def pods(self):
        return [p for p in self.get("pods", None, "-l", "app=shop")["items"]
                if "deletionTimestamp" not in p["metadata"]]

    @staticmethod
    def is_ready(pod):
        return any(c["type"] == "Ready" and c["status"] == "True"
                   for c in pod.get("status", {}).get("conditions", []))

    def wait(self, what, seconds, fn, pause=0.02):
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            value = fn()
            if value:
                return value, time.monotonic() - begin
            time.sleep(pause)
        raise Failed(f"{what}: not within {seconds:.0f} s")

    def show(self, *args):
        self.tell("           $ operon " + " ".join(args))
        for line in self.run(*args, "--dir", self.dir).rstrip("\n").split("\n"):
            self.tell("             " + line)

    # -- steps
    def up(self):
        self.tell(f"operon demo: {self.nodes} nodes in {self.dir}")
        begin = time.monotonic()
        self.run("up", "--dir", self.dir, "--nodes", str(self.nodes), "--port", "0", "--detach",
                 "--node-grace", f"{NODE_GRACE_S:g}s", "--eviction", "100ms")
        self.step(f"cluster Ready with {self.nodes} nodes", time.monotonic() - begin, 10)

    def apply(self):
        begin = time.monotonic()
        files = [os.path.join(ROOT, "examples", "shop", f) for f in ("shop.yaml", "policy.yaml")]
        self.tell("           $ operon apply -f examples/shop/shop.yaml -f examples/shop/policy.yaml\n"
                  f"             (kubectl --kubeconfig {self.dir}/kubeconfig apply -f ... does the same)")
        self.run("apply", *[w for f in files for w in ("-f", f)], "--dir", self.dir)

        def available():
            status = self.get("deployment", "shop").get("status", {})
            return status.get("availableReplicas", 0) >= 1
        self.wait("Deployment available", 30, available)
        self.step("apply -> Available", time.monotonic() - begin, 15)
        self.show("get", "pods", "-o", "wide")
        self.address = self.get("service", "shop")["spec"]["clusterIP"]

    def start_load(self):
        self.load_lines = []
        self.load = subprocess.Popen(
            [self.load_program, "--url", f"http://{self.address}:80/work", "--connections", "8",
             "--requests-per-connection", "20", "--seconds", "600", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.env)

        def read():
            for line in self.load.stdout:
                self.load_lines.append(line)
        self.reader = threading.Thread(target=read, daemon=True)
        self.reader.start()

    def stop_load(self):
        self.load.send_signal(signal.SIGTERM)
        self.load.wait(timeout=20)
        self.reader.join(timeout=5)
        self.load.stdout.close()
        for line in reversed(self.load_lines):
            if line.startswith("{"):
                return json.loads(line)
        raise Failed("the load generator gave no result")

    def scale_up(self):
        begin = time.monotonic()
        self.start_load()
        self.say("load starts: 8 connections to the Service")
        self.wait("policy decision", 30,
                  lambda: self.get("deployment", "shop")["spec"]["replicas"] > 1)
        self.step("load step -> first decision", time.monotonic() - begin)

        def three_ready():
            ready = [p for p in self.pods() if self.is_ready(p)]
            return len(ready) >= 3
        self.wait("three replicas ready", 30, three_ready)
        self.step("load step -> third replica serving", time.monotonic() - begin, 5)
        self.show("get", "pods", "-o", "wide")

    def servers(self):
        """A short second load that counts the answers by server."""
        done = subprocess.run(
            [self.load_program, "--url", f"http://{self.address}:80/work", "--connections", "6",
             "--requests-per-connection", "1", "--seconds", "2", "--json"],
            capture_output=True, text=True, env=self.env, timeout=30)
        result = json.loads([l for l in done.stdout.split("\n") if l.startswith("{")][-1])
        return result.get("servers", {})

    def spread(self):
        servers = self.servers()
        text = ", ".join(f"{name} {count}" for name, count in sorted(servers.items()))
        self.say(f"{'ok  ' if len(servers) >= 3 else 'FAIL'}  requests spread over "
                 f"{len(servers)} replicas: {text}")
        if len(servers) < 3:
            self.failures.append("requests spread over three")

    def kill_process(self):
        pod = [p for p in self.pods() if self.is_ready(p)][0]
        name = pod["metadata"]["name"]
        before = pod["status"]["containerStatuses"][0]["restartCount"]
        pid = self.container_pid(pod)
        begin = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        self.say(f"kill -9 {pid}, the process of {name}")

        def restarted():
            now = self.get("pod", name)["status"]["containerStatuses"][0]
            return now["restartCount"] > before and "running" in now["state"]
        self.wait("process restarted", 15, restarted)
        self.step("process killed -> restarted", time.monotonic() - begin, 1)

    def container_pid(self, pod):
        """The process that has the Pod's name in its environment and runs the shop."""
        want = f"POD_NAME={pod['metadata']['name']}\0".encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                with open(f"/proc/{entry}/environ", "rb") as f:
                    env = f.read()
                exe = os.readlink(f"/proc/{entry}/exe")
            except OSError:
                continue
            if want in env and os.path.basename(exe) == "shop":
                return int(entry)
        raise Failed(f"no process of pod {pod['metadata']['name']} found")

    def kill_node(self):
        by_node = {}
        for p in self.pods():
            by_node.setdefault(p["spec"]["nodeName"], []).append(p["metadata"]["uid"])
        node = max(by_node, key=lambda n: len(by_node[n]))
        lost = set(by_node[node])
        begin = time.monotonic()
        self.run("node", "kill", node, "--dir", self.dir)
        self.say(f"{node} loses its power, with {len(lost)} replica{'s' if len(lost) > 1 else ''}")

        self.wait("Pods running elsewhere", 60, lambda: self.is_replaced(node, lost), 0.05)
        self.step(f"node killed -> its Pods running elsewhere (grace {NODE_GRACE_S:g} s)",
                  time.monotonic() - begin, NODE_GRACE_S + 3)
        self.show("get", "nodes")

    def is_replaced(self, node, lost):
        ready = [p for p in self.pods() if self.is_ready(p) and p["spec"].get("nodeName") != node]
        return len(ready) >= 3 and not any(p["metadata"]["uid"] in lost for p in ready)

    def scale_down(self):
        result = self.stop_load()
        self.say(f"load ends: {result['requests']} requests, {result['errors']} errors, "
                 f"mean {result['mean_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms")
        begin = time.monotonic()

        def one():
            return (self.get("deployment", "shop")["spec"]["replicas"] == 1 and
                    len(self.pods()) == 1)
        self.wait("back to one replica", 60, one, 0.1)
        self.step("load ends -> back to 1 replica", time.monotonic() - begin, 60)

    def memory(self):
        """Memory of the cluster's own processes, proportional (shared pages counted once)."""
        total = 0
        for path in (glob.glob(f"{self.dir}/run/*.pid") +
                     glob.glob(f"{self.dir}/nodes/*/pods/*/containers/*/*/pid")):
            try:
                with open(path) as f:
                    pid = f.read().split()[0]
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    total += sum(int(l.split()[1]) for l in f if l.startswith("Pss:"))
            except (OSError, IndexError):
                continue  # it has ended
        self.say(f"      memory of all processes of the cluster: {total / 1024:.1f} MiB")

    def close(self):
        if self.load and self.load.poll() is None:
            self.load.kill()
        if self.keep:
            self.tell(f"left running: operon down --dir {self.dir}")
            return
        self.run("down", "--dir", self.dir, check=False)
        if self.failures:
            self.tell(f"logs are kept in {self.dir}/logs")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def flow(self):
        self.apply()
        self.scale_up()
        self.spread()
        self.kill_process()
        self.kill_node()
        self.scale_down()

    def main(self):
        try:
            self.up()
            self.memory()
            self.flow()
            self.memory()
        except (Failed, subprocess.TimeoutExpired, json.JSONDecodeError) as error:
            self.say(f"FAIL  {error}")
            self.failures.append(str(error))
        finally:
            self.close()
        print("demo: " + (f"{len(self.failures)} steps failed" if self.failures else "all steps passed"))
        return 1 if self.failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="leave the cluster running")
    args = parser.parse_args()
    if os.geteuid() != 0:
        print("demo: needs root for network namespaces, nftables and eBPF; run it with sudo")
        return 1
    return Demo(args.build, args.nodes, args.keep).main()


if __name__ == "__main__":
    sys.exit(main())
