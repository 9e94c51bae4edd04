"""A cluster of its own for a test: starts the built program in a temporary folder and stops it."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

BUILD = os.environ.get("OPERON_BUILD", os.path.join(os.path.dirname(__file__), "../../build/release"))
OPERON = os.path.join(os.path.abspath(BUILD), "operon")


def wait_for(what, seconds, fn, pause=0.05):
    """Polls fn until it gives something true; what names it in the failure."""
    end = time.monotonic() + seconds
    while True:
        value = fn()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(pause)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().split(")")[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Cluster:
    def __init__(self, nodes=1, *options):
        self.dir = tempfile.mkdtemp(prefix="operon-test-")
        self.nodes = nodes
        self.options = options
        examples = os.path.join(os.path.abspath(BUILD), "examples")
        self.env = dict(os.environ, PATH=examples + ":" + os.environ["PATH"])
        self.env.pop("KUBECONFIG", None)

    @property
    def kubeconfig(self):
        return os.path.join(self.dir, "kubeconfig")

    def up(self):
        begin = time.monotonic()
        self.operon("up", "--nodes", str(self.nodes), "--port", "0", "--detach", *self.options)
        return time.monotonic() - begin

    def operon(self, *args, check=True, timeout=60, text=None):
        done = subprocess.run([OPERON, *args, "--dir", self.dir], capture_output=True, text=True,
                              env=self.env, timeout=timeout, input=text)
        if check and done.returncode != 0:
            raise AssertionError(f"operon {' '.join(args)}: {done.stderr}{done.stdout}{self.logs()}")
        return done.stdout

    def kubectl(self, *args, check=True, timeout=60, text=None, kubectl="kubectl"):
        done = subprocess.run([kubectl, "--kubeconfig", self.kubeconfig,
                               "--cache-dir", os.path.join(self.dir, "kubectl-cache"), *args],
                              capture_output=True, text=True, env=self.env, timeout=timeout, input=text)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)}: {done.stderr}{done.stdout}")
        return done.stdout if check else done

    def get(self, kind, name=None, *args):
        words = ["get", kind] + ([name] if name else []) + ["-o", "json", *args]
        return json.loads(self.operon(*words))

    def pids(self):
        found = {}
        folder = os.path.join(self.dir, "run")
        for entry in os.listdir(folder):
            with open(os.path.join(folder, entry)) as f:
                found[entry.removesuffix(".pid")] = int(f.read().split()[0])
        return found

    def kill_all(self):
        """Every process of the control plane and the agents at once; containers go on."""
        pids = self.pids()
        for name in ("up", "apiserver", *[n for n in pids if n.startswith("node-")]):
            try:
                os.kill(pids[name], signal.SIGKILL)
            except (ProcessLookupError, KeyError):
                pass
        wait_for("processes gone", 5, lambda: not any(map(is_alive, pids.values())), 0.01)

    def memory_mib(self):
        """Proportional set size of the cluster's processes."""
        total = 0
        for pid in self.pids().values():
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith("Pss:"))
        return total / 1024

    def logs(self):
        text = ""
        folder = os.path.join(self.dir, "logs")
        for entry in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, entry), errors="replace") as f:
                text += f"\n--- {entry}\n" + "".join(f.readlines()[-15:])
        return text

    def down(self):
        self.operon("down", check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def find_kubectl():
    return os.environ.get("KUBECTL") or shutil.which("kubectl")


class ClusterTest(unittest.TestCase):
    """One cluster for all tests of a class."""
    nodes = 1
    options = ()

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(cls.nodes, *cls.options)
        try:
            cls.cluster.up()
        except BaseException:
            cls.cluster.down()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cluster.down()
