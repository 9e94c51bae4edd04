"""What Pods reach, and by which names: Services of every kind, host ports, the name service."""
import json
import os
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from cluster import ClusterTest, wait_for  # noqa: E402

SERVER = """
---
apiVersion: v1
kind: Pod
metadata: {name: %(name)s, labels: {app: %(app)s}}
spec:
  nodeName: %(node)s
  hostname: %(name)s
  subdomain: %(app)s-all
  terminationGracePeriodSeconds: %(grace)d
  containers:
  - name: main
    image: operon.local/host
    command: %(command)s
    ports: %(ports)s
"""

SERVICE = """
---
apiVersion: v1
kind: Service
metadata: {name: %(name)s}
spec: %(spec)s
"""

# Answers each datagram with its name.
UDP_SERVER = """
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 5353))
while True:
    data, peer = s.recvfrom(100)
    s.sendto(os.environ["HOSTNAME"].encode(), peer)
"""
# Serves on for a while when it is told to end, as a server with open sessions does.
SLOW_TO_END = """
import os, signal, http.server
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"server": os.environ["HOSTNAME"]}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
import json
signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.HTTPServer(("0.0.0.0", 8080), H).serve_forever()
"""
ASK = """
import json, sys, urllib.request
for _ in range(int(sys.argv[2])):
    try:
        with urllib.request.urlopen(f"http://{sys.argv[1]}/work", timeout=4) as r:
            print(json.load(r)["server"])
    except OSError as e:
        print("error", str(e))
"""
ASK_UDP = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(4)
s.connect((sys.argv[1], int(sys.argv[2])))
try:
    s.send(b"x"); print(s.recv(100).decode())
except OSError as e:
    print("error", e)
"""
NAMES = """
cat /etc/resolv.conf
for n in %s; do
  echo "name $n $(getent ahostsv4 $n | awk '{print $1}' | sort -u | tr '\\n' ' ')"
done
date +%%s%%N; getent ahostsv4 example.com; date +%%s%%N
echo end
sleep 1000
"""


@unittest.skipUnless(os.geteuid() == 0, "needs root for network namespaces")
class Network(ClusterTest):
    nodes = 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.start_servers()
        except BaseException:
            cls.cluster.down()
            raise

    @classmethod
    def server(cls, name, app, node, command=("shop", "--port", "8080", "--work-us", "0"), ports=(), grace=1):
        return SERVER % {"name": name, "app": app, "node": node, "command": json.dumps(list(command)),
                         "ports": json.dumps(list(ports)), "grace": grace}

    @staticmethod
    def service(name, app, **spec):
        spec = {"selector": {"app": app}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]} | spec
        return SERVICE % {"name": name, "spec": json.dumps(spec)}

    @classmethod
    def start_servers(cls):
        text = cls.server("web-1", "web", "node-1") + cls.server("web-2", "web", "node-2")
        text += cls.server("solo-1", "solo", "node-1", ports=[{"containerPort": 8080, "hostPort": 28081}])
        text += cls.server("echo-1", "echo", "node-2", command=["python3", "-c", UDP_SERVER])
        text += cls.server("slow-1", "slow", "node-1", command=["python3", "-c", SLOW_TO_END], grace=20)
        text += cls.service("web", "web", type="NodePort")
        text += cls.service("web-all", "web", clusterIP="None")
        text += cls.service("sticky", "web", sessionAffinity="ClientIP")
        text += cls.service("near", "web", internalTrafficPolicy="Local")
        text += cls.service("solo", "solo", internalTrafficPolicy="Local")
        text += cls.service("solo-any", "solo")
        text += cls.service("slow", "slow")
        text += cls.service("none", "none", type="NodePort")
        text += cls.service("echo", "echo", ports=[{"port": 53, "targetPort": 5353, "protocol": "UDP"}])
        cls.cluster.operon("apply", "-f", "-", text=text)
        for name in ("web-1", "web-2", "solo-1", "echo-1", "slow-1"):
            wait_for(f"{name} runs", 20, lambda: cls.cluster.get("pod", name)["status"].get("phase") == "Running")
        for name in ("web", "sticky", "near", "solo", "solo-any", "slow"):
            wait_for(f"{name} answers", 20, lambda: "error" not in cls.ask("solo-1", name)[0])

    @classmethod
    def address(cls, service):
        return cls.cluster.get("service", service)["spec"]["clusterIP"]

    @classmethod
    def inside(cls, pod, *command):
        """Runs a program of the host in a Pod's network; pod None: in the host's."""
        where = []
        if pod:
            p = cls.cluster.get("pod", pod)
            net = f"{cls.cluster.dir}/nodes/{p['spec']['nodeName']}/netns/{p['metadata']['uid']}"
            where = ["nsenter", f"--net={net}"]
        done = subprocess.run([*where, *command], capture_output=True, text=True, timeout=60)
        return done.stdout.splitlines()

    @classmethod
    def ask(cls, pod, service, n=1, port=80):
        address = service if service[0].isdigit() else cls.address(service)
        return cls.inside(pod, "python3", "-c", ASK, f"{address}:{port}", str(n))

    def test_a_cluster_address_is_spread_over_the_pods_from_pods_and_from_the_host(self):
        for pod in ("web-1", None):
            self.assertEqual(set(self.ask(pod, "web", 30)), {"web-1", "web-2"}, pod)

    def test_a_pod_reaches_itself_through_its_service(self):
        self.assertEqual(set(self.ask("solo-1", "solo-any", 3)), {"solo-1"})

    def test_a_node_port_answers_on_every_address_of_the_machine(self):
        port = self.cluster.get("service", "web")["spec"]["ports"][0]["nodePort"]
        self.assertEqual(set(self.ask(None, "127.0.0.1", 20, port)), {"web-1", "web-2"})
        gateway = ".".join(self.cluster.get("pod", "solo-1")["status"]["podIP"].split(".")[:3] + ["1"])
        self.assertEqual(set(self.ask("solo-1", gateway, 20, port)), {"web-1", "web-2"})

    def test_affinity_keeps_a_client_at_one_pod(self):
        first = set(self.ask("solo-1", "sticky", 12))
        self.assertEqual(len(first), 1)
        for i in range(6):  # each writes the whole table anew
            self.cluster.operon("apply", "-f", "-", text=self.service(f"other-{i}", "none"))
            wait_for("the rules are written", 20, lambda: "refused" in self.ask(None, f"other-{i}")[0])
            self.assertEqual(set(self.ask("solo-1", "sticky", 2)), first)
        for i in range(6):
            self.cluster.operon("delete", "service", f"other-{i}")

    def test_an_internal_policy_local_stays_on_the_node(self):
        self.assertEqual(set(self.ask("web-1", "near", 10)), {"web-1"})
        self.assertEqual(set(self.ask("web-2", "near", 10)), {"web-2"})
        self.assertIn("refused", self.ask("web-2", "solo")[0])

    def test_a_service_without_endpoints_refuses_at_once(self):
        port = self.cluster.get("service", "none")["spec"]["ports"][0]["nodePort"]
        for pod, where, number in (("web-1", "none", 80), (None, "none", 80), (None, "127.0.0.1", port)):
            self.assertIn("refused", self.ask(pod, where, 1, number)[0], "and not: timed out")

    def test_datagrams(self):
        for pod in ("web-1", None):
            self.assertEqual(self.inside(pod, "python3", "-c", ASK_UDP, self.address("echo"), "53"), ["echo-1"])

    def test_datagrams_of_one_socket_find_the_next_pod(self):
        ports = [{"port": 53, "targetPort": 5353, "protocol": "UDP"}]
        self.cluster.operon("apply", "-f", "-", text=self.service(
            "moving", "moving", ports=ports, type="NodePort") + self.server(
            "moving-1", "moving", "node-1", command=["python3", "-c", UDP_SERVER]))
        wait_for("the first answers", 20, lambda: self.inside(
            None, "python3", "-c", ASK_UDP, self.address("moving"), "53") == ["moving-1"])
        port = self.cluster.get("service", "moving")["spec"]["ports"][0]["nodePort"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as n:
            s.connect((self.address("moving"), 53))
            n.connect(("127.0.0.1", port))

            def ask(s):
                try:
                    s.settimeout(0.2)
                    s.send(b"x")
                    return s.recv(100).decode()
                except OSError:
                    return None
            wait_for("the first answers this socket", 5, lambda: ask(s) == "moving-1")
            wait_for("and that of the NodePort", 5, lambda: ask(n) == "moving-1")
            self.cluster.operon("apply", "-f", "-", text=self.server(
                "moving-2", "moving", "node-2", command=["python3", "-c", UDP_SERVER]))
            wait_for("two endpoints", 20, lambda: sum(len(e["endpoints"] or []) for e in self.cluster.get(
                "endpointslices")["items"] if e["metadata"]["labels"].get("kubernetes.io/service-name") == "moving") == 2)
            self.cluster.operon("delete", "pod", "moving-1")
            # well before the flow's own time is over, which each datagram begins anew
            wait_for("the second answers this socket", 15, lambda: ask(s) == "moving-2")
            wait_for("and that of the NodePort", 15, lambda: ask(n) == "moving-2")

    def test_a_host_port_leads_to_its_pod_while_it_is_there(self):
        wait_for("the host port answers", 10, lambda: self.ask(None, "127.0.0.1", 1, 28081) == ["solo-1"])
        gateway = ".".join(self.cluster.get("pod", "web-1")["status"]["podIP"].split(".")[:3] + ["1"])
        self.assertEqual(self.ask("web-1", gateway, 1, 28081), ["solo-1"])
        self.assertEqual(self.ask("solo-1", gateway, 1, 28081), ["solo-1"])
        text = self.server("port-1", "port", "node-2", ports=[{"containerPort": 8080, "hostPort": 28082}])
        self.cluster.operon("apply", "-f", "-", text=text)
        wait_for("the host port answers", 20, lambda: self.ask(None, "127.0.0.1", 1, 28082) == ["port-1"])
        self.cluster.operon("delete", "pod", "port-1")
        wait_for("the host port is gone", 20, lambda: "refused" in self.ask(None, "127.0.0.1", 1, 28082)[0])

    def test_the_last_endpoint_serves_until_it_is_gone(self):
        self.cluster.kubectl("delete", "pod", "slow-1", "--wait=false")
        wait_for("the Pod ends", 5, lambda: self.cluster.get("pod", "slow-1")["metadata"].get("deletionTimestamp"))
        end = time.monotonic() + 3
        while time.monotonic() < end:
            self.assertEqual(self.ask("web-1", "slow"), ["slow-1"])

    def test_the_api_server_has_its_service(self):
        with socket.create_connection((self.address("kubernetes"), 443), 5):
            pass
        code = "import socket,sys; socket.create_connection((sys.argv[1], 443), 5); print('connected')"
        self.assertEqual(self.inside("web-1", "python3", "-c", code, self.address("kubernetes")), ["connected"])

    def run_names(self, name, names, **spec):
        spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [
            {"name": "main", "image": "operon.local/host", "command": ["sh", "-c", NAMES % " ".join(names)]}]} | spec
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self.cluster.operon("apply", "-f", "-", text=json.dumps(pod))
        text = wait_for(f"{name} has asked", 30, lambda: (lambda t: t if "\nend\n" in t else None)(
            self.cluster.operon("logs", name, check=False)))
        lines = text.splitlines()
        times = [int(line) for line in lines if line.isdigit()]
        found = {line.split()[1]: set(line.split()[2:]) for line in lines if line.startswith("name ")}
        return lines, found, (times[1] - times[0]) / 1e9

    def test_names(self):
        lines, found, seconds = self.run_names("names", [
            "web", "web.default", "web.default.svc.cluster.local", "web-all", "web-1.web-all", "none", "nowhere",
            "kubernetes.default.svc"])
        pods = {n: self.cluster.get("pod", n)["status"]["podIP"] for n in ("web-1", "web-2")}
        web = {self.address("web")}
        self.assertIn("search default.svc.cluster.local svc.cluster.local cluster.local", lines)
        self.assertIn("options ndots:5", lines)
        self.assertEqual(found["web"], web)
        self.assertEqual(found["web.default"], web)
        self.assertEqual(found["web.default.svc.cluster.local"], web)
        self.assertEqual(found["web-all"], set(pods.values()))
        self.assertEqual(found["web-1.web-all"], {pods["web-1"]})
        self.assertEqual(found["none"], {self.address("none")})
        self.assertEqual(found["nowhere"], set())
        self.assertEqual(found["kubernetes.default.svc"], {self.address("kubernetes")})
        self.assertLess(seconds, 5, "a name that is not ours is refused at once")

    def test_policies_of_names(self):
        config = {"nameservers": ["127.0.0.1"], "searches": ["example.test"], "options": [{"name": "timeout", "value": "1"}]}
        lines, _, _ = self.run_names("names-none", [], dnsPolicy="None", dnsConfig=config)
        self.assertEqual(lines[:3], ["nameserver 127.0.0.1", "search example.test", "options timeout:1"])
        with open("/etc/resolv.conf") as f:
            host = f.read().splitlines()
        lines, _, _ = self.run_names("names-default", [], dnsPolicy="Default")
        self.assertEqual(lines[:len(host)], host)
        lines, found, _ = self.run_names("names-more", ["web"], dnsConfig={"searches": ["example.test"],
                                                                           "options": [{"name": "ndots", "value": "2"}]})
        self.assertIn("search default.svc.cluster.local svc.cluster.local cluster.local example.test", lines)
        self.assertIn("options ndots:2", lines)
        self.assertEqual(found["web"], {self.address("web")})


if __name__ == "__main__":
    unittest.main(verbosity=2)
