#!/usr/bin/env python3
"""Figures beside those of the programs that Operon stands in for, on the same machine, in turn.

usage: bench.py --build BUILD [--pods N] [--widgets N] [--rounds N]

The peers are kube-apiserver with etcd, and client-go and controller-runtime (the program "peer"), from
REAL_BIN (default ~/.cache/real-kubernetes/bin), started by up.sh of REAL_KUBERNETES. Where they are
absent Operon's own figures are printed alone. A figure is the median of the rounds."""
import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REAL = os.environ.get("REAL_KUBERNETES", os.path.join(HERE, "../../shared/real"))
REAL_BIN = os.environ.get("REAL_BIN", os.path.expanduser("~/.cache/real-kubernetes/bin"))
PORT = 21443


def pss_mib(pids):
    """Proportional set size: what the processes hold, shared pages counted once."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
            total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total / 1024


class OperonServer:
    """operon apiserver alone, in a folder of its own."""
    name = "operon"

    def __init__(self, build):
        self.program = os.path.join(build, "operon")
        self.dir = tempfile.mkdtemp(prefix="operon-bench-")
        self.kubeconfig = os.path.join(self.dir, "kubeconfig")

    def start(self):
        begin = time.monotonic()
        read, write = os.pipe()
        with open(os.path.join(self.dir, "log"), "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [self.program, "apiserver", "--dir", self.dir, "--port", "0", "--ready-fd", str(write)],
                pass_fds=[write], stdout=log, stderr=log)
        os.close(write)
        with os.fdopen(read) as words:
            if "ready" not in words.read():
                raise SystemExit(f"bench: operon apiserver did not start; see {self.dir}/log")
        return time.monotonic() - begin

    def pids(self):
        return [self.process.pid]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.dir, ignore_errors=True)


class RealServer:
    """etcd and kube-apiserver."""
    name = "kube-apiserver + etcd"

    def __init__(self, _build):
        self.dir = tempfile.mkdtemp(prefix="operon-bench-real-")
        self.kubeconfig = os.path.join(self.dir, "admin.kubeconfig")

    def start(self):
        """The second start is timed: certificates are there then, as they are not part of the servers'
        own work; Operon's first start makes its own within its time."""
        env = dict(os.environ, WITH="", REAL_BIN=REAL_BIN, DISABLE_ADMISSION="ServiceAccount")
        for _ in range(2):
            self.down()
            shutil.rmtree(os.path.join(self.dir, "etcd"), ignore_errors=True)
            begin = time.monotonic()
            done = subprocess.run(["bash", os.path.join(REAL, "up.sh"), self.dir, str(PORT)], env=env,
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(f"bench: {done.stderr}")
        return time.monotonic() - begin

    def pids(self):
        found = []
        for name in ("etcd", "kube-apiserver"):
            with open(os.path.join(self.dir, f"{name}.pid"), encoding="utf-8") as f:
                found.append(int(f.read()))
        return found

    def down(self):
        subprocess.run(["bash", os.path.join(REAL, "down.sh"), self.dir], capture_output=True, check=False)

    def stop(self):
        self.down()
        shutil.rmtree(self.dir, ignore_errors=True)


def client(kubeconfig, *words):
    done = subprocess.run(words, env=dict(os.environ, KUBECONFIG=kubeconfig), capture_output=True,
                          text=True, check=False, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(words)}: {done.stderr}")
    return done.stdout


def number(text, pattern):
    return float(re.search(pattern, text).group(1))


class Figures:
    """Values by row and side, one a round."""
    def __init__(self):
        self.rows = {}

    def add(self, row, side, value):
        self.rows.setdefault(row, {}).setdefault(side, []).append(value)

    def print(self):
        print(f"\n{'':42} {'operon':>10} {'peer':>10}   operon is")
        for (name, unit, more_is_better), sides in self.rows.items():
            ours = statistics.median(sides["operon"])
            line = f"{name + ' (' + unit + ')':42} {ours:10.4g}"
            if "peer" in sides:
                theirs = statistics.median(sides["peer"])
                ratio = ours / theirs if more_is_better else theirs / ours
                line += f" {theirs:10.4g}   {ratio:.2f} x " + ("ahead" if ratio >= 1 else "(behind)")
            print(line)


START = ("API server: start", "s", False)
EMPTY = ("API server: memory, empty", "MiB", False)
CREATES = ("API server: pod creates", "1/s", True)
FULL = ("API server: memory with the pods", "MiB", False)
SYNC = ("informer: sync", "s", False)
SYNC_CPU = ("informer: CPU", "s", False)
SYNC_MEMORY = ("informer: resident memory", "MiB", False)
RECONCILES = ("reconcile: rate, 8 workers", "1/s", True)
RECONCILE_CPU = ("reconcile: CPU each", "ms", False)
OPERATOR_MEMORY = ("operator: resident memory, after them", "MiB", False)
INFORMERS = {"operon": r"rss (\d+) KiB\n", "peer": r"rss-after-gc (\d+) KiB"}


def serve(kind, side, build, figures, pods, peer):
    """One server from start to pods; gives it back running."""
    server = kind(build)
    figures.add(START, side, server.start())
    time.sleep(2)  # its start-up work settles
    figures.add(EMPTY, side, pss_mib(server.pids()))
    if peer:
        seconds = number(client(server.kubeconfig, peer, "pods", str(pods)), r"in ([\d.]+) s")
        figures.add(CREATES, side, pods / seconds)
        figures.add(FULL, side, pss_mib(server.pids()))
    return server


def sync(server, side, words, figures):
    text = client(server.kubeconfig, *words)
    figures.add(SYNC, side, number(text, r"pods in ([\d.]+) s"))
    figures.add(SYNC_CPU, side, number(text, r"cpu ([\d.]+) s"))
    figures.add(SYNC_MEMORY, side, number(text, INFORMERS[side]) / 1024)


def reconcile_figures(side, text, figures, count):
    figures.add(RECONCILES, side, count / number(text, r"in ([\d.]+) s"))
    figures.add(RECONCILE_CPU, side, 1000 * number(text, r"cpu ([\d.]+) s") / count)
    figures.add(OPERATOR_MEMORY, side, number(text, r"rss (\d+) KiB") / 1024)


def reconcile(server, build, figures, count):
    """The same controller on the same server: each of count ConfigMaps gets a Secret and a phase."""
    operon = os.path.join(build, "operon")
    parts = ["apiVersion: v1\nkind: Namespace\nmetadata: {name: bench-widgets}\n"]
    parts += [f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: w-{i}, namespace: bench-widgets, "
              "labels: {role: widget}}\ndata: {size: '3'}\n" for i in range(count)]
    manifest = os.path.join(server.dir, "widgets.yaml")
    with open(manifest, "w", encoding="utf-8") as f:
        f.write("---\n".join(parts))
    client(server.kubeconfig, operon, "apply", "-f", manifest)
    runner = subprocess.Popen(
        [operon, "run", "--kubeconfig", server.kubeconfig, "--plugin", os.path.join(build, "bench/widget.so"),
         "--workers", "8", "--config", 'widget={"count":%d}' % count],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    limit = threading.Timer(120, runner.kill)
    limit.start()
    line = runner.stdout.readline()
    limit.cancel()
    runner.terminate()
    runner.wait(30)
    if not line:
        raise SystemExit("bench: the reconciles did not end within 120 s")
    reconcile_figures("operon", line, figures, count)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--pods", type=int, default=3000)
    parser.add_argument("--widgets", type=int, default=1000, help="objects to reconcile")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    has_real = os.path.exists(os.path.join(REAL, "up.sh")) and shutil.which("go") is not None and all(
        os.path.exists(os.path.join(REAL_BIN, p)) for p in ("kube-apiserver", "etcd", "peer"))
    peer = os.path.join(REAL_BIN, "peer") if has_real else None
    if not has_real:
        print("bench: no kube-apiserver, etcd and peer in REAL_BIN; Operon's own figures only")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: stopped"))  # its servers too
    figures = Figures()
    informer = os.path.join(build, "bench/bench-informer")
    for i in range(options.rounds):
        print(f"round {i + 1} of {options.rounds}", file=sys.stderr)
        servers = []
        try:
            servers.append(serve(OperonServer, "operon", build, figures, options.pods, peer))
            if has_real:
                # One at a time while measured; the informers then read from the real server.
                servers.pop().stop()
                servers.append(serve(RealServer, "peer", build, figures, options.pods, peer))
                sync(servers[-1], "peer", [peer, "informer"], figures)
            sync(servers[-1], "operon", [informer], figures)
            reconcile(servers[-1], build, figures, options.widgets)
            if has_real:
                text = client(servers[-1].kubeconfig, peer, "reconcile", str(options.widgets), "8")
                reconcile_figures("peer", text, figures, options.widgets)
        finally:
            for server in servers:
                server.stop()
    print(f"{options.pods} pods, median of {options.rounds} rounds")
    figures.print()


if __name__ == "__main__":
    main()
