#!/usr/bin/env python3
"""operon up and down under bad luck: at the same time, interrupted, killed, with bad files in the
folder. Nothing is left running, nobody else's process is touched, each error names what to do."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import OPERON, Cluster, is_alive, wait_for  # noqa: E402

IS_ROOT = os.geteuid() == 0


def processes_of(folder):
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"operon") and any(folder.encode() in w for w in words) and is_alive(int(pid)):
            found[int(pid)] = b" ".join(words).decode()
    return found


def start_time(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[19]


class UpDown(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(7)
        self.clusters = []

    def tearDown(self):
        for c in self.clusters:
            subprocess.run([OPERON, "down", "--dir", c.dir], capture_output=True, timeout=60)
            shutil.rmtree(c.dir, ignore_errors=True)

    def cluster(self):
        c = Cluster(1)
        self.clusters.append(c)
        return c

    def run_it(self, *words, **options):
        return subprocess.run([OPERON, *words], capture_output=True, text=True, timeout=60, **options)

    def up(self, c, *words):
        return subprocess.Popen([OPERON, "up", "--dir", c.dir, "--port", "0", *words], env=c.env, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def assert_nothing_runs(self, c):
        wait_for(f"nothing runs in {c.dir}", 10, lambda: not processes_of(c.dir))

    def slot(self, c):
        with open(os.path.join(c.dir, "cluster.json")) as f:
            return json.load(f)["slot"]

    def test_of_two_starts_one_wins(self):
        c = self.cluster()
        starts = [self.up(c, "--detach") for _ in range(3)]
        errors = [(p.communicate(timeout=60)[1], p.returncode) for p in starts]
        self.assertEqual([0, 1, 1], sorted(code for _, code in errors), errors)
        for text, code in errors:
            if code:
                self.assertIn("operon down --dir", text)
        supervisors = [p for p in processes_of(c.dir).values() if " up " in p]
        self.assertEqual(1, len(supervisors), supervisors)
        self.assertEqual("Ready", c.get("nodes")["items"][0]["status"]["conditions"][-1]["type"])
        c.operon("down")
        self.assert_nothing_runs(c)

    def test_down_while_it_starts(self):
        for _ in range(4):
            c = self.cluster()
            start = self.up(c, "--detach")
            wait_for("the folder", 10, lambda: os.path.exists(os.path.join(c.dir, "cluster.json")))
            time.sleep(self.random.uniform(0, 0.5))
            down = self.run_it("down", "--dir", c.dir)
            self.assertEqual(0, down.returncode, down.stderr)
            start.communicate(timeout=60)
            self.assert_nothing_runs(c)

    def test_interrupt_at_any_moment(self):
        for words in ([], ["--detach"]) * 4:
            c = self.cluster()
            start = self.up(c, *words)
            time.sleep(self.random.uniform(0.005, 0.6))
            start.send_signal(signal.SIGINT)
            out, error = start.communicate(timeout=60)
            if "Ready in" in out and words:
                continue  # it was faster than the interrupt
            self.assertNotIn("Traceback", error)
            self.assert_nothing_runs(c)

    def test_api_server_alone(self):
        c = self.cluster()
        c.up()
        words = ["apiserver", "--dir", c.dir, "--port", "0"]
        beside = self.run_it(*words)
        self.assertEqual(1, beside.returncode)
        self.assertIn("runs in", beside.stderr)
        with open(os.path.join(c.dir, "cluster.json")) as f:
            self.assertNotEqual(0, json.load(f)["port"], "what was refused changed nothing")
        c.operon("down")
        alone = subprocess.Popen([OPERON, *words], stderr=subprocess.DEVNULL)
        try:
            wait_for("it answers", 10, lambda: "apiserver" in c.pids() and
                     self.run_it("get", "pods", "--dir", c.dir).returncode == 0)
            self.assertIn("runs in", self.run_it("up", "--dir", c.dir, "--detach").stderr)
            c.operon("down")
            self.assertEqual(0, alone.wait(5))
        finally:
            alone.kill()
            alone.wait()

    @unittest.skipUnless(IS_ROOT, "mounts a small file system: needs root")
    def test_disk_full_and_read_only(self):
        c = self.cluster()
        script = ('mount -t tmpfs -o size=$2 none "$1" && "$0" up --dir "$1" --port 0 --detach; code=$?; '
                  '"$0" down --dir "$1" >/dev/null; exit $code')
        for size in ("4k", "64k", "200k"):
            done = subprocess.run(["unshare", "-m", "sh", "-c", script, OPERON, c.dir, size], capture_output=True,
                                  text=True, timeout=60)
            if "unshare" in done.stderr or "mount:" in done.stderr:
                self.skipTest(done.stderr)
            self.assertEqual(1, done.returncode, size)
            self.assertRegex(done.stderr, "No space left|is full", size)
            self.assertIn(c.dir, done.stderr)
            self.assert_nothing_runs(c)
        script = ('mount -t tmpfs -o ro none "$1" && "$0" up --dir "$1" --port 0 --detach')
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, OPERON, c.dir], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(1, done.returncode)
        self.assertIn("Read-only", done.stderr)

    def test_supervisor_killed(self):
        c = self.cluster()
        c.up()
        os.kill(c.pids()["up"], signal.SIGKILL)
        c.up()
        self.assertEqual(1, len([p for p in processes_of(c.dir).values() if " apiserver " in p]))
        os.kill(c.pids()["up"], signal.SIGKILL)
        c.operon("down")
        self.assert_nothing_runs(c)

    def test_a_second_down_leaves_the_next_cluster_alone(self):
        a, b, c = self.cluster(), self.cluster(), self.cluster()
        a.up()
        a.operon("down")
        b.up()
        self.assertEqual(self.slot(a), self.slot(b), "the slot of a stopped cluster is free again")
        b_pids = b.pids()
        for _ in range(2):
            a.operon("down")
        c.up()
        self.assertNotEqual(self.slot(b), self.slot(c))
        self.assertEqual(b_pids, b.pids())
        self.assertTrue(all(is_alive(p) for p in b_pids.values()))
        if IS_ROOT:
            links = subprocess.run(["ip", "-br", "address"], capture_output=True, text=True).stdout
            self.assertIn(f"10.{160 + self.slot(b)}.1.1/24", links)

    def test_down_by_another_name_of_the_folder(self):
        c = self.cluster()
        c.up()
        slot = self.slot(c)
        link = c.dir + "-link"
        os.symlink(c.dir, link)
        try:
            down = self.run_it("down", "--dir", "./" + os.path.basename(link) + "/", cwd=os.path.dirname(link))
            self.assertEqual(0, down.returncode, down.stderr)
        finally:
            os.unlink(link)
        self.assert_nothing_runs(c)
        if IS_ROOT:
            self.assertFalse(os.path.exists(f"/run/operon/slot-{slot}"))

    def test_pid_files_of_others_processes(self):
        c = self.cluster()
        c.up()
        c.operon("down")
        run = os.path.join(c.dir, "run")
        sleeper = subprocess.Popen(["sleep", "600"])
        try:
            bad = [f"{sleeper.pid} 1\n", f"{sleeper.pid}\n", "", "\0\0\0", "-1 1", "0 0", "1 0", "99999999999 7",
                   f"{sleeper.pid} -1", "x" * 200]
            for text in bad:
                for name in ("up", "apiserver", "node-1"):
                    with open(os.path.join(run, name + ".pid"), "w") as f:
                        f.write(text)
                down = self.run_it("down", "--dir", c.dir)
                self.assertEqual(0, down.returncode, f"{text}: {down.stderr}")
                self.assertIsNone(sleeper.poll(), text)
            if IS_ROOT:  # the right start time, in a file that someone else wrote
                path = os.path.join(run, "up.pid")
                with open(path, "w") as f:
                    f.write(f"{sleeper.pid} {start_time(sleeper.pid)}\n")
                os.chown(path, 65534, 65534)
                self.assertEqual(0, self.run_it("down", "--dir", c.dir).returncode)
                self.assertIsNone(sleeper.poll())
            c.up()
            self.assertIsNone(sleeper.poll())
        finally:
            sleeper.kill()
            sleeper.wait()

    def test_bad_settings(self):
        c = self.cluster()
        path = os.path.join(c.dir, "cluster.json")
        for text in ("", "{", "[]x", '{"nodes":1000}', '{"nodes":0}', '{"nodes":-1}', '{"slot":99}',
                     '{"slot":-7}', '{"port":70000}', '{"nodeGraceMs":0}', '{"evictionMs":-5}'):
            with open(path, "w") as f:
                f.write(text)
            for command in ("up", "down", "apiserver"):
                done = self.run_it(command, "--dir", c.dir)
                self.assertEqual(1, done.returncode, f"{command} with {text}: {done.stdout}")
                self.assertIn(path, done.stderr)
                self.assertIn("remove the file", done.stderr)

    def test_folders_that_will_not_do(self):
        with tempfile.TemporaryDirectory() as top:
            file = os.path.join(top, "file")
            with open(file, "w"):
                pass
            long = os.path.join(top, "/".join(["d" * 200] * 16))
            for folder, word in ((file, file), (os.path.join(file, "x"), file), ("/proc/operon", "/proc"),
                                 (long, "shorter"), ("", "empty"), ("/dev/null/x", "/dev/null")):
                done = self.run_it("up", "--dir", folder, "--detach", "--port", "0")
                self.assertEqual(1, done.returncode, folder)
                self.assertIn(word, done.stderr)
                self.assertNotIn("Ready", done.stdout)
            for command in ("down", "get", "logs", "node"):
                words = {"get": ["pods"], "logs": ["x"], "node": ["list"]}.get(command, [])
                done = self.run_it(command, *words, "--dir", os.path.join(top, "none"))
                self.assertNotEqual(0, done.returncode, command)
                self.assertIn("none", done.stderr)

    def test_a_long_path_with_spaces(self):
        with tempfile.TemporaryDirectory() as top:
            c = self.cluster()
            shutil.rmtree(c.dir)
            c.dir = os.path.join(top, "a folder with spaces", "and 'quotes'", *["d" * 60] * 3)
            c.up()
            self.assertTrue(c.get("nodes")["items"])
            c.operon("down")
            self.assert_nothing_runs(c)

    @unittest.skipUnless(IS_ROOT and shutil.which("setpriv"), "becomes another user: needs root")
    def test_another_users_cluster(self):
        c = self.cluster()
        c.up()
        os.chmod(c.dir, 0o755)
        user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        if subprocess.run([*user, OPERON, "version"], capture_output=True).returncode != 0:
            self.skipTest(f"another user can not read {OPERON}")
        for command in ("down", "up"):
            done = subprocess.run([*user, OPERON, command, "--dir", c.dir], capture_output=True, text=True,
                                  timeout=60)
            self.assertEqual(1, done.returncode, done.stdout)
            self.assertIn("belongs to user 0", done.stderr)
        self.assertTrue(all(is_alive(p) for p in c.pids().values()))


if __name__ == "__main__":
    unittest.main(verbosity=2)
