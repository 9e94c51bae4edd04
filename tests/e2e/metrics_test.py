"""What is measured of Pods and through which APIs it is had: kubectl top, custom metrics, Prometheus text."""
import base64
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from cluster import BUILD, ClusterTest, find_kubectl, wait_for  # noqa: E402

SHOP = """
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-1, labels: {app: shop}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: shop
    image: operon.local/host
    command: [shop, --port, "8080", --work-us, "4000"]
    readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
    livenessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
    startupProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
  - name: idle
    image: operon.local/host
    command: [sleep, "1000"]
"""

TLS_SERVER = """
import http.server, ssl
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8443), H)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


@unittest.skipUnless(find_kubectl(), "needs kubectl")
class Metrics(ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.operon("apply", "-f", "-", text=SHOP)
        wait_for("shop is ready", 20, lambda: all(
            s.get("ready") for s in cls.cluster.get("pod", "shop-1")["status"].get("containerStatuses", [{}])))
        cls.has_latency = 'operon_pod_http_latency_seconds_count{namespace="default",pod="shop-1"' in cls.text()

    @classmethod
    def raw(cls, path, **options):
        return cls.cluster.kubectl("get", "--raw", path, **options)

    @classmethod
    def text(cls):
        """The agent's own /metrics, as an administrator."""
        with open(cls.cluster.kubeconfig) as f:
            config = f.read()
        files = {}
        for key in ("certificate-authority-data", "client-certificate-data", "client-key-data"):
            files[key] = os.path.join(cls.cluster.dir, key)
            with open(files[key], "wb") as f:
                f.write(base64.b64decode(re.search(key + r": *\"?([A-Za-z0-9+/=]+)", config)[1]))
        tls = ssl.create_default_context(cafile=files["certificate-authority-data"])
        tls.check_hostname = False
        tls.load_cert_chain(files["client-certificate-data"], files["client-key-data"])
        port = cls.cluster.get("node", "node-1")["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/metrics", context=tls, timeout=5) as r:
            return r.read().decode()

    @staticmethod
    def series(text, name, **labels):
        """Values of a metric by its le or quantile label, "" where it has none."""
        found = {}
        for line in text.splitlines():
            m = re.match(re.escape(name) + r"\{(.*)\} (\S+)$", line)
            have = dict(re.findall(r'(\w+)="([^"]*)"', m[1])) if m else {}
            if m and labels.items() <= have.items():
                found[have.get("le") or have.get("quantile") or ""] = float(m[2])
        return found

    def load(self, seconds, *options):
        address = self.cluster.get("service", "shop")["spec"]["clusterIP"]
        program = os.path.join(os.path.abspath(BUILD), "examples/shop-load")
        done = subprocess.run([program, "--url", f"http://{address}/work", "--seconds", str(seconds), "--json", *options],
                              capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout.splitlines()[-1])

    def test_each_figure_says_its_source(self):
        text = wait_for("both containers are measured", 5, lambda: (lambda t: t if self.series(
            t, "operon_container_cpu_usage_cores", container="idle") else None)(self.text()))
        for name in ("operon_container_cpu_usage_cores", "operon_container_cpu_usage_seconds_total",
                     "operon_container_memory_working_set_bytes"):
            lines = [line for line in text.splitlines() if line.startswith(name + "{")]
            self.assertEqual(len(lines), 2, name)
            for line in lines:
                self.assertRegex(line, r'source="(bpf|cgroup-v1|cgroup-v2|proc)"')
            self.assertIn(f"# TYPE {name} ", text)

    def test_users_requests_are_counted_and_the_agents_probes_are_not(self):
        if not self.has_latency:
            self.skipTest("the kernel refused the latency probe")
        name = "operon_pod_http_latency_seconds"
        time.sleep(0.6)  # figures are of the last quarter of a second
        before = self.series(self.text(), name + "_count", pod="shop-1")[""]
        time.sleep(2.5)  # at least four probes
        self.assertEqual(self.series(self.text(), name + "_count", pod="shop-1")[""], before)
        done = self.load(3, "--connections", "2")
        self.assertEqual(done["errors"], 0)
        wait_for("all requests are counted", 5, lambda: self.series(self.text(), name + "_count", pod="shop-1")[""]
                 == before + done["requests"])
        text = self.text()
        buckets = self.series(text, name + "_bucket", pod="shop-1")
        bounds = sorted((float(k), v) for k, v in buckets.items())
        self.assertEqual([v for _, v in bounds], sorted(v for _, v in bounds), "buckets are cumulative")
        self.assertEqual(buckets["+Inf"], before + done["requests"])
        self.assertEqual(buckets["0.002048"], 0, "a user's request takes 4 ms of work, a probe's none")
        waits = self.series(text, "operon_pod_run_queue_delay_seconds_bucket", pod="shop-1")
        self.assertEqual(waits["+Inf"], self.series(text, "operon_pod_run_queue_delay_seconds_count", pod="shop-1")[""])
        self.assertGreater(waits["+Inf"], done["requests"] / 4)

    @unittest.skipUnless(shutil.which("openssl"), "needs openssl to make a certificate")
    def test_encrypted_probes_do_not_count_either(self):
        if not self.has_latency:
            self.skipTest("the kernel refused the latency probe")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=tls", "-keyout", "key.pem", "-out", "cert.pem"],
                       cwd=self.cluster.dir, check=True, capture_output=True)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tls-1"}, "spec": {
            "terminationGracePeriodSeconds": 1, "containers": [{
                "name": "main", "image": "operon.local/host", "workingDir": self.cluster.dir,
                "command": ["python3", "-c", TLS_SERVER],
                "readinessProbe": {"httpGet": {"path": "/", "port": 8443, "scheme": "HTTPS"}, "periodSeconds": 1}}]}}
        self.cluster.operon("apply", "-f", "-", text=json.dumps(pod))
        address = wait_for("the TLS server is ready", 20, lambda: (
            lambda s: s["podIP"] if s.get("containerStatuses", [{}])[0].get("ready") else None)(
                self.cluster.get("pod", "tls-1")["status"]))
        time.sleep(2.5)  # at least two probes
        name = "operon_pod_http_latency_seconds_count"
        self.assertEqual(self.series(self.text(), name, pod="tls-1"), {"": 0})
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(f"https://{address}:8443/", context=tls, timeout=5) as answer:
            self.assertEqual(answer.status, 200)
        wait_for("the user's request is counted", 5, lambda: self.series(self.text(), name, pod="tls-1") == {"": 1})

    def test_load_is_seen_at_once_through_every_api(self):
        program = os.path.join(os.path.abspath(BUILD), "examples/shop-load")
        address = self.cluster.get("service", "shop")["spec"]["clusterIP"]
        load = subprocess.Popen([program, "--url", f"http://{address}/work", "--seconds", "30", "--connections", "2"],
                                stdout=subprocess.DEVNULL)
        begin = time.monotonic()
        try:
            pods = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/shop-1"

            def cpu():
                if self.raw(pods, check=False).returncode:
                    return 0
                usage = {c["name"]: c["usage"]["cpu"] for c in json.loads(self.raw(pods))["containers"]}
                return int(usage["shop"].removesuffix("n"))
            wait_for("the load is in metrics.k8s.io", 10, lambda: cpu() > 100e6, 0.02)
            print(f"\nload -> seen through the API: {time.monotonic() - begin:.2f} s")
            self.assertRegex(self.cluster.kubectl("top", "pod", "--containers"), r"shop-1 +shop +\d{2,4}m +\d+Mi")
            self.assertRegex(self.cluster.kubectl("top", "pod", "-l", "app=shop"), r"shop-1 +\d+m")
            self.assertRegex(self.cluster.kubectl("top", "node"), r"node-1 +\d+m +\d+% +\d+Mi +\d+%")
            if not self.has_latency:
                return
            base = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default/pods/*/"
            names = [r["name"] for r in json.loads(self.raw("/apis/custom.metrics.k8s.io/v1beta2"))["resources"]]
            self.assertIn("pods/http_server_latency_p99", names)
            values = {}
            for name in names:
                items = json.loads(self.raw(base + name.split("/")[1] + "?labelSelector=app%3Dshop"))["items"]
                self.assertEqual([i["describedObject"]["name"] for i in items], ["shop-1"], name)
                text = items[0]["value"]
                values[name.split("/")[1]] = float(text.removesuffix("m")) / (1000 if text.endswith("m") else 1)
            self.assertGreaterEqual(values["http_server_latency_p99"], 0.004)
            self.assertLessEqual(values["http_server_latency_p50"], values["http_server_latency_p90"])
            self.assertGreater(values["http_server_rps"], 10)
            self.assertNotEqual(self.raw(base + "no_such_metric", check=False).returncode, 0)
        finally:
            load.terminate()
            load.wait()


if __name__ == "__main__":
    unittest.main(verbosity=2)
