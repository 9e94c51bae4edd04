#!/usr/bin/env python3
"""kubectl exec, cp and attach against containers of the host's programs and of an image."""
import fcntl
import hashlib
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import is_alive, wait_for  # noqa: E402
from image import write_layout  # noqa: E402
from kubectl import KubectlTest, find_kubectl  # noqa: E402

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: host}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: a, image: operon.local/host, command: [sleep, "3600"], env: [{name: GREETING, value: hi}], workingDir: /usr}
  - {name: b, image: operon.local/host, command: [sleep, "3600"], securityContext: {runAsUser: 65534}}
---
apiVersion: v1
kind: Pod
metadata: {name: done}
spec:
  restartPolicy: Never
  containers:
  - {name: a, image: operon.local/host, command: ["true"]}
---
apiVersion: v1
kind: Pod
metadata: {name: half}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - {name: ended, image: operon.local/host, command: ["true"]}
  - {name: runs, image: operon.local/host, command: [sleep, "3600"]}
"""

IMAGE_POD = """
apiVersion: v1
kind: Pod
metadata: {name: image}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: a, image: "tools:1", command: [sleep, "3600"]}
"""

PROGRAMS = "sh sleep cat id ls tar tty stty sha256sum mkdir".split()


def running(seconds):
    """The processes of "sleep SECONDS"."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read() == b"sleep\0" + seconds.encode() + b"\0" and is_alive(int(pid)):
                    found.append(int(pid))
        except OSError:
            pass
    return found


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, args, env, rows=24, columns=80):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.read(0, 1)
            os.execvpe(args[0], args, env)
        self.resize(rows, columns)
        os.write(self.fd, b"\n")

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def say(self, text):
        os.write(self.fd, text.encode())

    def hear(self, until, seconds=20):
        heard, end = "", time.monotonic() + seconds
        while until not in heard:
            if time.monotonic() > end or not select.select([self.fd], [], [], 0.2)[0]:
                if time.monotonic() > end:
                    raise AssertionError(f"no {until!r} but {heard!r}")
                continue
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b""
            if not data:
                raise AssertionError(f"the end instead of {until!r}: {heard!r}")
            heard += data.decode(errors="replace")
        return heard

    def end(self):
        try:
            while os.read(self.fd, 4096):
                pass
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Exec(KubectlTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.make_pods()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def make_pods(cls):
        cluster, kubectl = cls.cluster, find_kubectl()
        cluster.kubectl("apply", "-f", "-", text=PODS, kubectl=kubectl)
        layout = os.path.join(cluster.dir, "layout")
        cls.pods = ["host"]
        has_image = os.geteuid() == 0 and shutil.which("crun") and write_layout(
            layout, "tools:1", {"Env": ["PATH=/bin", "GREETING=hi"], "WorkingDir": "/tmp", "User": "app"}, PROGRAMS)
        if has_image:
            cluster.operon("image", "load", layout)
            cluster.kubectl("apply", "-f", "-", text=IMAGE_POD, kubectl=kubectl)
            cls.pods.append("image")
        for pod in cls.pods:
            cluster.kubectl("wait", "--for=condition=Ready", "pod/" + pod, "--timeout=40s", kubectl=kubectl)
        cluster.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/done", "--timeout=40s",
                        kubectl=kubectl)

    def command(self, *args):
        return [find_kubectl(), "--kubeconfig", self.cluster.kubeconfig, "exec", *args]

    def run_bytes(self, *args, data=b"", timeout=60):
        return subprocess.run(self.command(*args), input=data, capture_output=True, timeout=timeout, check=False)

    def each_pod(self):
        for pod in self.pods:
            with self.subTest(pod=pod):
                yield pod

    def test_streams_and_exit_code(self):
        for pod in self.each_pod():
            done = self.run_bytes(pod, "-c", "a", "--", "sh", "-c", "echo out $GREETING; echo err >&2; exit 3")
            self.assertEqual(b"out hi\n", done.stdout)
            self.assertEqual(b"err\ncommand terminated with exit code 3\n", done.stderr)
            self.assertEqual(3, done.returncode)
            done = self.run_bytes(pod, "-c", "a", "--", "sh", "-c", "kill -9 $$")
            self.assertEqual(137, done.returncode)
            self.assertEqual(0, self.run_bytes(pod, "-c", "a", "--", "sh", "-c", "exit 0").returncode)
            done = self.run_bytes(pod, "-c", "a", "--", "sh", "-c", "read -r x && echo never")
            self.assertEqual((1, b""), (done.returncode, done.stdout), "without -i there is no input")

    def test_runs_as_the_container_does(self):
        self.assertEqual("/usr\n", self.k("exec", "host", "-c", "a", "--", "pwd"))
        self.assertEqual("65534\n", self.k("exec", "host", "-c", "b", "--", "id", "-u"))
        self.assertEqual("host\n", self.k("exec", "host", "-c", "a", "--", "hostname"))
        for namespace in ("pid", "mnt", "net", "uts", "ipc"):
            link = f"/proc/self/ns/{namespace}"
            inside = self.k("exec", "host", "-c", "a", "--", "readlink", link)
            self.assertEqual(inside, self.k("exec", "host", "-c", "a", "--", "readlink", f"/proc/2/ns/{namespace}"))
        descriptors = self.k("exec", "host", "-c", "a", "--", "ls", "/proc/self/fd").split()
        self.assertEqual(["0", "1", "2", "3"], descriptors, "nothing of the agent is left open")
        if "image" in self.pods:
            self.assertEqual("uid=1000(app) gid=1001 groups=1001\n", self.k("exec", "image", "--", "id"))
            self.assertEqual("/tmp\n", self.k("exec", "image", "--", "sh", "-c", "pwd"))

    def test_large_input_comes_back_whole(self):
        data = os.urandom(20 << 20)
        for pod in self.each_pod():
            done = self.run_bytes("-i", pod, "-c", "a", "--", "cat", data=data, timeout=120)
            self.assertEqual((0, b""), (done.returncode, done.stderr))
            self.assertTrue(done.stdout == data, "the same bytes")
            done = self.run_bytes("-i", pod, "-c", "a", "--", "sha256sum", data=data, timeout=120)
            self.assertEqual(hashlib.sha256(data).hexdigest(), done.stdout.split()[0].decode())

    def test_a_program_that_does_not_read_its_input(self):
        data = os.urandom(4 << 20)
        for pod in self.each_pod():
            done = self.run_bytes("-i", pod, "-c", "a", "--", "sh", "-c", "exit 6", data=data)
            self.assertEqual(6, done.returncode)

    def test_slow_reader_holds_the_program_and_nobody_else(self):
        reader = subprocess.Popen(self.command("host", "-c", "a", "--", "sh", "-c",
                                               "head -c 50000000 /dev/zero; echo all >&2"),
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.assertEqual("still served\n", self.k("exec", "host", "-c", "a", "--", "echo", "still served"))
            self.k("get", "pods")
            self.assertFalse(select.select([reader.stderr], [], [], 1)[0], "it waits for its reader")
            out, err = reader.communicate(timeout=120)
            self.assertEqual((50000000, b"all\n"), (len(out), err))
        finally:
            reader.kill()
            reader.wait()

    def test_terminal(self):
        for pod in self.each_pod():
            terminal = Terminal(self.command("-it", pod, "-c", "a", "--", "sh"), self.cluster.env)
            terminal.say("stty size; echo TERM=$TERM; tty\n")
            heard = terminal.hear("/dev/pts/")
            self.assertIn("24 80", heard)
            self.assertIn("TERM=xterm", heard)
            terminal.resize(33, 99)

            def is_resized():
                terminal.say("echo $(stty size).\n")
                return "33 99." in terminal.hear(".\r\n")
            wait_for("the new size", 20, is_resized, 0.2)
            terminal.say("sleep 3601\n")
            wait_for("the program", 20, lambda: running("3601"))
            terminal.say("\x03")
            wait_for("its end", 20, lambda: not running("3601"))
            terminal.say("exit 7\n")
            self.assertEqual(7, terminal.end())

    def test_refusals(self):
        self.assertIn("container z is not valid for pod host", self.refused("exec", "host", "-c", "z", "--", "ls"))
        self.assertIn('pods "nope" not found', self.refused("exec", "nope", "--", "ls"))
        self.assertIn("cannot exec", self.refused("exec", "done", "--", "ls"))
        self.assertIn('unable to upgrade connection: container not found ("ended")',
                      self.refused("exec", "half", "-c", "ended", "--", "ls"))
        done = self.k("exec", "host", "-c", "a", "--", "/no/such/program", check=False)
        self.assertEqual(127, done.returncode)
        self.assertIn("No such file or directory", done.stderr)

    def test_who_may(self):
        def role(name, verbs):
            self.k("create", "role", name, "--verb=get", "--resource=pods")
            self.k("create", "role", name + "-exec", "--verb=" + verbs, "--resource=pods/exec")
            for r in (name, name + "-exec"):
                self.k("create", "rolebinding", r, "--role=" + r, "--user=" + name)
        role("looks", "get")
        role("enters", "create")
        self.assertIn('pods "host" is forbidden: User "looks" cannot create resource "pods/exec" in API group ""',
                      self.refused("exec", "host", "--as=looks", "-c", "a", "--", "ls"))
        self.assertEqual("in\n", self.k("exec", "host", "--as=enters", "-c", "a", "--", "echo", "in"))
        self.assertIn("cannot get resource", self.refused("exec", "host", "--as=nobody", "-c", "a", "--", "ls"))

    def test_a_request_that_is_no_websocket(self):
        path = "/api/v1/namespaces/default/pods/host/exec?command=ls&stdout=true&container=a"
        self.assertIn("Upgrade request required", self.refused("get", "--raw", path))
        self.assertIn("Upgrade request required", self.refused("create", "--raw", path, "-f", "/dev/null"))
        listed = self.k("get", "--raw", "/api/v1")
        self.assertIn('"pods/exec"', listed)
        self.assertIn('"PodExecOptions"', listed)

    def test_a_client_that_speaks_spdy(self):
        done = subprocess.run(self.command("host", "-c", "a", "--", "ls"), capture_output=True, text=True, timeout=60,
                              check=False, env=dict(self.cluster.env, KUBECTL_REMOTE_COMMAND_WEBSOCKETS="false"))
        self.assertNotEqual(0, done.returncode)
        self.assertIn("SPDY is not served here", done.stderr)

    def test_a_client_that_vanishes(self):
        for number, pod in enumerate(self.each_pod()):
            first, second = str(3700 + 2 * number), str(3701 + 2 * number)
            client = subprocess.Popen(self.command("-i", pod, "-c", "a", "--", "sh", "-c",
                                                   f"sleep {first} & sleep {second}"), stdin=subprocess.PIPE)
            wait_for("both programs", 20, lambda: running(first) and running(second))
            client.send_signal(signal.SIGKILL)
            client.wait()
            client.stdin.close()
            wait_for("their end", 20, lambda: not running(first) and not running(second))
        self.assertEqual("", self.path(".status.containerStatuses[?(@.restartCount>0)].name", "pod", "host"))

    def test_a_container_that_ends(self):
        self.k("run", "ends", "--image=operon.local/host", "--restart=Never", "--command", "--", "sleep", "3600")
        self.k("wait", "--for=condition=Ready", "pod/ends", "--timeout=40s")
        client = subprocess.Popen(self.command("ends", "--", "sleep", "3802"), stderr=subprocess.PIPE, text=True)
        wait_for("the program", 20, lambda: running("3802"))
        self.k("delete", "pod", "ends", "--grace-period=1")
        _, err = client.communicate(timeout=40)
        self.assertIn("command terminated with exit code 137", err)

    def test_cp(self):
        source = os.path.join(self.cluster.dir, "tree")
        os.makedirs(os.path.join(source, "sub"))
        with open(os.path.join(source, "large"), "wb") as f:
            f.write(os.urandom(5 << 20))
        with open(os.path.join(source, "sub/small"), "w", encoding="utf-8") as f:
            f.write("text\n")
        for pod in self.each_pod():
            inside = self.cluster.dir + "/in" if pod == "host" else "/tmp/in"
            back = os.path.join(self.cluster.dir, "back-" + pod)
            self.k("cp", source, f"{pod}:{inside}", "-c", "a")
            self.k("cp", f"{pod}:{inside}", back, "-c", "a")
            subprocess.run(["diff", "-r", source, back], check=True)

    def test_attach(self):
        talk = "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.5; echo tick $i; echo tock $i >&2; done; exit 3"
        self.k("run", "talks", "--image=operon.local/host", "--restart=Never", "--command", "--", "sh", "-c", talk)
        self.k("wait", "--for=condition=Ready", "pod/talks", "--timeout=40s")
        done = self.k("attach", "talks", check=False)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("tick 9\n", done.stdout)
        self.assertIn("tock 9\n", done.stderr)
        self.assertNotIn("tock", done.stdout)
        client = subprocess.Popen([*self.command()[:-1], "attach", "host", "-c", "a"], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        time.sleep(1)
        self.assertIsNone(client.poll(), "it waits for output")
        client.send_signal(signal.SIGTERM)
        client.communicate(timeout=20)
        self.assertIn("container not found", self.refused("attach", "half", "-c", "ended"))
        self.assertIn("neither standard input nor a terminal", self.refused("attach", "host", "-c", "a", "-i"))
        self.k("create", "role", "listens", "--verb=get", "--resource=pods,pods/attach")
        self.k("create", "rolebinding", "listens", "--role=listens", "--user=listens")
        self.assertIn('cannot create resource "pods/attach"', self.refused("attach", "host", "-c", "a",
                                                                           "--as=listens"))

    def test_zz_an_agent_that_goes_away(self):
        client = subprocess.Popen(self.command("host", "-c", "a", "--", "sleep", "3900"), stderr=subprocess.PIPE,
                                  text=True)
        wait_for("the program", 20, lambda: running("3900"))
        os.kill(self.cluster.pids()["node-1"], signal.SIGKILL)
        _, err = client.communicate(timeout=40)
        self.assertIn("the node agent went away before the command's end", err)
        self.assertEqual(1, client.returncode)
        wait_for("the program's end", 20, lambda: not running("3900"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
