"""A real kube-apiserver and Operon's, side by side, and what their answers to the same request differ in."""
import base64
import copy
import http.client
import json
import os
import re
import ssl
import subprocess
import tempfile
import threading
import unittest

from cluster import OPERON, wait_for
from upstream import REAL, REAL_BIN, missing

PROGRAMS = ("kube-apiserver", "etcd", "kubectl")
MOMENT = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "lastTransitionTime"}
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Answer:
    """code; headers with lower-case names; body: the JSON value, else text."""

    def __init__(self, code, headers, data):
        self.code, self.headers = code, headers
        text = data.decode(errors="replace")
        try:
            self.body = json.loads(text)
        except ValueError:
            self.body = text


class Side:
    """One of the two servers, as its admin."""

    def __init__(self, folder, kubeconfig, port):
        self.kubeconfig, self.port = kubeconfig, port
        self.kept = threading.local()  # the admin's connection of each thread
        raw = json.loads(subprocess.run([os.path.join(REAL_BIN, "kubectl"), "--kubeconfig", kubeconfig, "config",
                                         "view", "--raw", "--flatten", "-o", "json"], capture_output=True,
                                        text=True, check=True).stdout)
        user, cluster = raw["users"][0]["user"], raw["clusters"][0]["cluster"]
        self.ca = decode(cluster["certificate-authority-data"])
        self.anonymous, self.admin = self.context(), self.context()
        pem = os.path.join(folder, "client.pem")
        with open(pem, "w") as f:
            f.write(decode(user["client-certificate-data"]) + decode(user["client-key-data"]))
        self.admin.load_cert_chain(pem)

    def context(self):
        tls = ssl.create_default_context(cadata=self.ca)
        tls.check_hostname = False
        return tls

    def call(self, method, path, body=None, kind="application/json", headers=None, is_anonymous=False):
        """body: text or bytes as they are, anything else as JSON; None: none."""
        sent = {"User-Agent": "pair"}
        if body is not None:
            sent["Content-Type"] = kind
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        sent.update(headers or {})
        if is_anonymous:
            return self.ask(http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.anonymous),
                            method, path, body, sent)
        kept = getattr(self.kept, "link", None)
        self.kept.link = kept or http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.admin)
        try:
            return self.ask(self.kept.link, method, path, body, sent)
        except (http.client.HTTPException, ConnectionError):
            self.kept.link = None
            if not kept:
                raise
            return self.call(method, path, body, kind, headers)  # it had been closed meanwhile

    @staticmethod
    def ask(link, method, path, body, sent):
        link.request(method, path, body, sent)
        answer = link.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


class Pair:
    """Both servers, started in a folder of their own; port and the nine after it are used, and port + 10."""

    def __init__(self, port):
        self.dir = tempfile.mkdtemp(prefix="operon-pair-")
        self.server = None
        real, own = os.path.join(self.dir, "real"), os.path.join(self.dir, "own")
        try:
            done = subprocess.run(["bash", os.path.join(REAL, "up.sh"), real, str(port)], capture_output=True,
                                  text=True, env=dict(os.environ, REAL_BIN=REAL_BIN), timeout=180)
            if done.returncode != 0:
                raise AssertionError(done.stderr)
            os.makedirs(own)
            with open(os.path.join(self.dir, "own.log"), "w") as log:
                self.server = subprocess.Popen([OPERON, "apiserver", "--dir", own, "--port", str(port + 10)],
                                               stdout=log, stderr=subprocess.STDOUT)
            config = os.path.join(own, "kubeconfig")
            wait_for("kubeconfig", 20, lambda: os.path.exists(config))
            self.real = Side(real, os.path.join(real, "admin.kubeconfig"), port)
            self.own = Side(own, config, port + 10)
            self.sides = (self.real, self.own)
            for side in self.sides:
                wait_for("API server", 30, lambda s=side: answers(s))
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for side in getattr(self, "sides", ()):
            if getattr(side.kept, "link", None):
                side.kept.link.close()
        if self.server:
            self.server.terminate()
            self.server.wait(timeout=30)
        subprocess.run(["bash", os.path.join(REAL, "down.sh"), os.path.join(self.dir, "real")], capture_output=True)
        subprocess.run(["rm", "-rf", self.dir], check=False)

    def both(self, method, path, *more, **named):
        """The two answers: the real one, ours."""
        return [side.call(method, path, *more, **named) for side in self.sides]


class PairTest(unittest.TestCase):
    """Has pair, on the port PORT of the class; skipped with the name of what is missing."""
    PORT = 0
    pair = None

    @classmethod
    def setUpClass(cls):
        if missing(*PROGRAMS):
            raise unittest.SkipTest(missing(*PROGRAMS))
        cls.pair = Pair(cls.PORT)
        cls.addClassCleanup(cls.pair.stop)


def answers(side):
    try:
        return side.call("GET", "/api/v1/namespaces/default").code == 200
    except OSError:
        return False


def decode(text):
    return base64.b64decode(text).decode()


def timeless(value):
    """A value without what is of the moment: uids, times, versions. A member that is null is none."""
    if isinstance(value, dict):
        return {k: "X" if k in MOMENT and v else timeless(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [timeless(v) for v in value]
    if isinstance(value, str):
        return TIME.sub("TIME", UUID.sub("UUID", value))
    return copy.copy(value)


def differences(real, own, at=""):
    """Lines that tell where two values differ."""
    if isinstance(real, dict) and isinstance(own, dict):
        return [line for key in sorted({*real, *own}) if real.get(key) != own.get(key)
                for line in differences(real.get(key), own.get(key), f"{at}/{key}")]
    if isinstance(real, list) and isinstance(own, list) and len(real) == len(own):
        return [line for i, (a, b) in enumerate(zip(real, own)) for line in differences(a, b, f"{at}/{i}")]
    if real == own:
        return []
    return [f"  {at}: real {json.dumps(real)[:600]}", f"  {' ' * len(at)}   own {json.dumps(own)[:600]}"]
