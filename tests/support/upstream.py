"""Kubernetes' own conformance specs (its e2e.test program), run one after the other against a cluster."""
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
REAL = os.environ.get("REAL_KUBERNETES", os.path.join(HERE, "../../../shared/real"))
REAL_BIN = os.environ.get("REAL_BIN", os.path.expanduser("~/.cache/real-kubernetes/bin"))


def missing(*programs):
    """What a bench of these programs lacks on this machine, or None."""
    if not os.path.exists(os.path.join(REAL, "up.sh")):
        return "no fixture with up.sh and down.sh (REAL_KUBERNETES)"
    absent = [p for p in programs if not os.path.exists(os.path.join(REAL_BIN, p))]
    if absent:
        return f"not built: {', '.join(absent)} (REAL_BIN)"
    return None if shutil.which("go") else "the fixture needs go, to find kwok's stages"


def outcomes(folder):
    """Spec name -> "" or the text of its failure, of those that ran."""
    found = {}
    for name in os.listdir(folder):
        if name.startswith("junit") and name.endswith(".xml"):
            for case in xml.etree.ElementTree.parse(os.path.join(folder, name)).iter("testcase"):
                if case.find("skipped") is None and "[It]" in case.get("name"):
                    bad = [case.find(kind) for kind in ("failure", "error")]
                    found[case.get("name")] = "".join(b.get("message", "?") + (b.text or "")[-2000:]
                                                      for b in bad if b is not None)
    return found


def run_specs(folder, kubeconfig, focus, skip=()):
    """Runs the specs whose names match; reports and the program's log go into folder."""
    reports = os.path.join(folder, "reports")
    program = [os.path.join(REAL_BIN, "e2e.test"), f"-kubeconfig={kubeconfig}", "-provider=skeleton",
               f"--ginkgo.focus={focus}", "--ginkgo.no-color", "--minStartupPods=-1",
               "--allowed-not-ready-nodes=-1", "--disable-log-dump", "--dump-logs-on-failure=false",
               f"--report-dir={reports}"]
    if skip:
        program.append("--ginkgo.skip=" + "|".join(skip))
    with open(os.path.join(folder, "e2e.log"), "w") as log:
        subprocess.run(program, stdout=log, stderr=subprocess.STDOUT, timeout=1500)
    found = outcomes(reports)
    for name, failure in sorted(found.items()):
        print("FAILED" if failure else "passed", name, file=sys.stderr)
    return found
