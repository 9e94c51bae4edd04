#!/usr/bin/env python3
"""kill -9 of any process of a cluster at a random moment of the demo's flow, again and again: the flow
completes all the same, and no write that was acknowledged meanwhile is lost.

A process is the supervisor, the control plane, a node agent, a container or its shim. A supervisor that
was killed is started again by 'operon up', as a service manager would."""
import base64
import glob
import http.client
import json
import os
import random
import re
import signal
import ssl
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../support"), os.path.join(HERE, "../../scripts")]
from cluster import BUILD  # noqa: E402
from demo import Demo, Failed  # noqa: E402

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "20"))
SEED = int(os.environ.get("CHAOS_SEED", str(random.randrange(1 << 30))))
RETRY_S = 20


class Writer(threading.Thread):
    """Creates ConfigMaps one after the other and remembers those that were acknowledged."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        with open(os.path.join(folder, "kubeconfig")) as f:
            config = f.read()
        self.port = int(re.search(r"https://127\.0\.0\.1:(\d+)", config)[1])
        self.tls = ssl.create_default_context(cadata=self.field(config, "certificate-authority-data").decode())
        self.tls.check_hostname = False
        pem = os.path.join(folder, "chaos.pem")
        with open(os.open(pem, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as f:
            f.write(self.field(config, "client-certificate-data") + self.field(config, "client-key-data"))
        self.tls.load_cert_chain(pem)
        self.acknowledged = []
        self.ended = threading.Event()

    @staticmethod
    def field(config, name):
        return base64.b64decode(re.search(name + r": (\S+)", config)[1])

    def request(self, method, path, body=None):
        link = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=self.tls)
        try:
            link.request(method, path, body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()

    def run(self):
        number = 0
        while not self.ended.is_set():
            number += 1
            name = f"write-{number}"
            body = json.dumps({"metadata": {"name": name}, "data": {"number": str(number)}})
            try:
                status, _ = self.request("POST", "/api/v1/namespaces/default/configmaps", body)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)  # not acknowledged: it may be there or not
                continue
            if status == 201:
                self.acknowledged.append(name)
            self.ended.wait(0.01)

    def lost(self):
        _, text = self.request("GET", "/api/v1/namespaces/default/configmaps")
        there = {i["metadata"]["name"]: i["data"].get("number") for i in json.loads(text)["items"]}
        return [n for n in self.acknowledged if there.get(n) != n.split("-")[1]]


class ChaosDemo(Demo):
    """The demo, patient where a process was killed under it: its own time limits do not hold here."""

    def __init__(self, chance):
        super().__init__(BUILD, 3, keep=True)
        self.chance = chance
        self.killed = "nothing"

    def step(self, text, seconds, limit=None):
        pass

    def tell(self, text):
        pass

    def run(self, *args, check=True, timeout=60):
        end = time.monotonic() + RETRY_S
        while True:
            try:
                return super().run(*args, check=check, timeout=timeout)
            except Failed:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)

    def spread(self):
        self.wait("requests spread over three", 30, lambda: len(self.servers()) >= 3)

    def kill_process(self):
        self.wait("a process to kill", 15, self.kill_any_ready)
        self.wait("three replicas ready", 30,
                  lambda: len([p for p in self.pods() if self.is_ready(p)]) >= 3)

    def kill_any_ready(self):
        for pod in filter(self.is_ready, self.pods()):
            try:
                os.kill(self.container_pid(pod), signal.SIGKILL)
                return True
            except (Failed, ProcessLookupError):
                continue  # it was the victim of this round
        return False

    def is_replaced(self, node, lost):
        if self.killed != "run/up.pid":
            return super().is_replaced(node, lost)
        return len(self.servers()) >= 3  # the new supervisor may have started the node again in time

    def victims(self):
        found = []
        for path in (glob.glob(f"{self.dir}/run/*.pid") + glob.glob(f"{self.dir}/nodes/**/app.pid", recursive=True) +
                     glob.glob(f"{self.dir}/nodes/**/pid", recursive=True)):
            with open(path) as f:
                words = f.read().split()
            if words and int(words[0]) > 0:
                found.append((path.removeprefix(self.dir + "/"), int(words[0])))
        return found

    def strike(self):
        """Kills one process after a random part of the flow's usual ten seconds."""
        time.sleep(self.chance.uniform(0, 9))
        kinds = {}
        for path, pid in self.victims():
            kind = re.sub(r"-\d+", "", path.split("/")[1]) if path.startswith("run/") else os.path.basename(path)
            kinds.setdefault(kind, []).append((path, pid))
        kind = self.chance.choice(sorted(kinds))
        path, pid = self.chance.choice(sorted(kinds[kind]))
        try:
            os.kill(pid, signal.SIGKILL)
            self.killed = path
        except ProcessLookupError:
            self.killed = f"{path}, which had ended before"
        if path == "run/up.pid":
            time.sleep(0.5)
            port = json.loads(self.config())["port"]
            super().run("up", "--dir", self.dir, "--port", str(port), "--detach", check=False)

    def config(self):
        with open(os.path.join(self.dir, "cluster.json")) as f:
            return f.read()


@unittest.skipIf(os.geteuid() != 0, "needs root for network namespaces, nftables and eBPF")
class Chaos(unittest.TestCase):
    def test_the_flow_completes_whatever_is_killed(self):
        chance = random.Random(SEED)
        print(f"CHAOS_SEED={SEED} CHAOS_ROUNDS={ROUNDS}", flush=True)
        for number in range(ROUNDS):
            self.round(number, ChaosDemo(chance))

    def round(self, number, demo):
        begin = time.monotonic()
        is_good = False
        try:
            demo.up()
            writer = Writer(demo.dir)
            writer.start()
            strike = threading.Thread(target=demo.strike, daemon=True)
            strike.start()
            try:
                demo.flow()
            except Exception as error:
                raise AssertionError(f"round {number}, killed {demo.killed}: {error}; "
                                     f"logs are kept in {demo.dir}/logs") from error
            strike.join(timeout=60)
            writer.ended.set()
            writer.join(timeout=30)
            self.assertGreater(len(writer.acknowledged), 20)
            demo.wait("the API server", RETRY_S, lambda: self.answers(writer))
            self.assertEqual([], writer.lost(), f"round {number}, killed {demo.killed}")
            print(f"round {number + 1:2}: killed {demo.killed}; the flow took {time.monotonic() - begin:.1f} s, "
                  f"{len(writer.acknowledged)} writes kept", flush=True)
            is_good = True
        finally:
            demo.keep = False
            demo.failures = [] if is_good else ["flow"]
            demo.close()

    @staticmethod
    def answers(writer):
        try:
            return writer.request("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
