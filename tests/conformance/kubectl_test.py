#!/usr/bin/env python3
"""Stock kubectl on a real kube-apiserver and on Operon's: the same command, the same output and exit code.

The commands are in kubectl_cases.py, each group a namespace and a folder of its own on either side; the objects
that are shown are in kubectl_objects.py. KUBECTL_GROUPS chooses groups by name, KUBECTL another kubectl. Needs
kube-apiserver, etcd and kubectl in REAL_BIN, and the fixture of REAL_KUBERNETES; skipped with the name of what
is missing."""
import concurrent.futures
import difflib
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import kubectl_objects as objects  # noqa: E402
from kubectl_cases import EXPECTED, FILES, GROUPS  # noqa: E402
from pair import PairTest, TIME, UUID  # noqa: E402
from upstream import REAL_BIN  # noqa: E402

PORT = int(os.environ.get("KUBECTL_PORT", "33743"))
CHOSEN = os.environ.get("KUBECTL_GROUPS", "").split()
KUBECTL = os.environ.get("KUBECTL", os.path.join(REAL_BIN, "kubectl"))
PLURALS = {"Endpoints": "endpoints", "PriorityClass": "priorityclasses"}
MASKS = [
    # What a real server may say of its own Service while it starts.
    (re.compile(r"^.*(ipallocator-repair-controller|event/kubernetes\.[0-9a-f]{16}).*\n", re.M), ""),
    (re.compile(r"https://127\.0\.0\.1:\d+"), "SERVER"), (re.compile(r"127\.0\.0\.1:\d+"), "SERVER"),
    (UUID, "UUID"), (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000"), "TIME"),
    (re.compile(r"\b10\.(0\.0|(9[6-9]|10\d|11[01])\.\d+)\.\d+\b"), "CLUSTERIP"),
    (re.compile(r"0x[0-9a-f]+\??"), "0x"), (re.compile(r"was \d+$", re.M), "was N"),
    (re.compile(r"kube-api-access-\w{5}\b"), "kube-api-access-X"), (re.compile(r"Resource Version: .*"), "Resource Version: N"),
    (re.compile(r"(?<![=\d./:-])(\d+[smhdy])+(?![\w.:-])"), "AGE"), (re.compile(r"AGE ago|<unknown> ago"), "AGE"),
    (re.compile(r"(resourceVersion\"?[:=] ?\"?)\d+"), r"\1N"), (re.compile(r"(odePort\S*\s+.*?|:|odePort\"?: )3[0-2]\d{3}\b"), r"\1NODEPORT"),
    (re.compile(r"/tmp/\S+"), "FILE"), (re.compile(r"[IWE]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ "), "LOG "),
    (re.compile(r"v1\.36\.[\w.+-]+"), "VERSION"), (re.compile(r"eyJ[\w.-]{40,}"), "TOKEN"), (re.compile(r"^(\+\+\+|---) FILE\s.*$", re.M), r"\1 FILE"),
    (re.compile(r" +$", re.M), ""), (re.compile(r"(?<=\S) {2,}"), "  "), (re.compile(r"-{5,}"), "-----"),
]


def masked(text):
    """Without what is of the moment or of the machine, and with columns two blanks apart."""
    if text.startswith("{"):
        try:
            text = json.dumps(json.loads(text), sort_keys=True, indent=1)  # as the server sent it
        except ValueError:
            pass  # several, or cut
    for pattern, other in MASKS:
        text = pattern.sub(other, text)
    return text


def path_of(thing):
    api, kind = thing["apiVersion"], thing["kind"]
    where = "/api/v1" if api == "v1" else f"/apis/{api}"
    if "namespace" in thing["metadata"]:
        where += f"/namespaces/{thing['metadata']['namespace']}"
    return f"{where}/{PLURALS.get(kind, kind.lower() + 's')}"


class Kubectl(PairTest):
    PORT = PORT

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for i, side in enumerate(cls.pair.sides):
            side.home = os.path.join(cls.pair.dir, f"home{i}")
            os.makedirs(side.home)
            side.config = json.loads(subprocess.run(
                [os.path.join(REAL_BIN, "kubectl"), "--kubeconfig", side.kubeconfig, "config", "view", "--raw",
                 "--flatten", "-o", "json"], capture_output=True, check=True).stdout)
            side.config["contexts"] = [{"name": "c", "context": dict(side.config["contexts"][0]["context"])}]
            side.config["current-context"] = "c"
            side.config["clusters"][0]["name"] = side.config["contexts"][0]["context"]["cluster"] = "k"
            side.config["users"][0]["name"] = side.config["contexts"][0]["context"]["user"] = "u"
            cls.fill(side)

    @classmethod
    def fill(cls, side):
        for name in ("show", *GROUPS):
            cls.must(side, "POST", "/api/v1/namespaces", objects.made("v1", "Namespace", name, True))
            cls.must(side, "POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
        for thing in objects.ALL:
            cls.put(side, thing)
        for _ in range(100):  # a new kind is served a moment after its definition is accepted
            if all(side.call("GET", path_of(w)).code == 200 for w in objects.WIDGETS):
                break
        for thing in objects.WIDGETS:
            cls.put(side, thing)
        cls.must(side, "DELETE", "/api/v1/namespaces/show/pods/ending")

    @staticmethod
    def must(side, *request):
        answer = side.call(*request)
        if answer.code >= 300:
            raise AssertionError(f"{request}: {answer.body}")
        return answer.body

    @classmethod
    def put(cls, side, thing):
        owners = thing["metadata"].get("ownerReferences", [])
        if owners and owners[0]["uid"] == "OWNER":
            uid = cls.must(side, "GET", f"/apis/apps/v1/namespaces/show/deployments/{owners[0]['name']}")["metadata"]["uid"]
            thing = dict(thing, metadata=dict(thing["metadata"], ownerReferences=[dict(owners[0], uid=uid)]))
        cls.must(side, "POST", path_of(thing), {k: v for k, v in thing.items() if k != "status"})
        if thing.get("status"):
            cls.must(side, "PATCH", f"{path_of(thing)}/{thing['metadata']['name']}/status", {"status": thing["status"]},
                     "application/merge-patch+json")

    def run_group(self, side, group):
        """The commands' (exit code, output, errors), one after the other."""
        folder = os.path.join(side.home, group)
        os.makedirs(folder)
        for name, text in FILES.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(text if isinstance(text, str) else json.dumps(text))
            if name.endswith(".sh"):
                os.chmod(path, 0o755)
        config = os.path.join(folder, "kubeconfig")
        side.config["contexts"][0]["context"]["namespace"] = group
        with open(config, "w") as f:
            json.dump(side.config, f)
        os.symlink(KUBECTL, os.path.join(folder, "kubectl"))
        env = {"PATH": f"{folder}:/usr/bin:/bin", "HOME": side.home, "KUBECACHEDIR": os.path.join(side.home, "cache"),
               "KUBECONFIG": config, "TZ": "UTC", "KUBECTL_EXPLAIN_OPENAPIV3": "true"}
        done = []
        for line in GROUPS[group]:
            ran = subprocess.run(["timeout", "20", "bash", "-o", "pipefail", "-c", line], cwd=folder, env=env, capture_output=True, text=True,
                                 stdin=subprocess.DEVNULL)
            done.append((ran.returncode, masked(ran.stdout), masked(ran.stderr)))
        return done

    def test_commands(self):
        groups = [g for g in GROUPS if g in CHOSEN or not CHOSEN]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            found = [[pool.submit(self.run_group, side, group) for side in self.pair.sides] for group in groups]
        wrong, seen = 0, set()
        for group, sides in zip(groups, found):
            for line, real, own in zip(GROUPS[group], *(s.result() for s in sides)):
                if real == own:
                    continue
                if (group, line) in EXPECTED:
                    seen.add((group, line))
                    continue
                wrong += 1
                print(f"\n== {group}: {line}\n{report(real, own)}", file=sys.stderr)
        self.assertEqual(wrong, 0, "commands that differ")
        self.assertEqual({e for e in EXPECTED if e[0] in groups} - seen, set(), "no longer differ")


def report(real, own):
    lines = [] if real[0] == own[0] else [f"exit code: real {real[0]}, own {own[0]}"]
    for name, a, b in (("stdout", real[1], own[1]), ("stderr", real[2], own[2])):
        lines += list(difflib.unified_diff(a.splitlines(), b.splitlines(), f"real {name}", f"own {name}", "", "", 0,
                                           ""))[:int(os.environ.get("KUBECTL_LINES", "60"))]
    return "\n".join(lines)


if __name__ == "__main__":
    unittest.main(verbosity=2)
