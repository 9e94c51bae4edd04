#!/usr/bin/env python3
"""The installed program and SDK: installs into a temporary prefix, builds the examples out of tree by
find_package and by pkg-config, runs their unit tests, and loads them with the installed program."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, os.path.join(ROOT, "tests/support"))
import cluster  # noqa: E402

WEB = """apiVersion: demo.example/v1
kind: Web
metadata: {name: hello}
spec: {replicas: %d, port: %d, message: "Hello from a Web"}
"""


def run(*words, cwd=None, env=None, timeout=300):
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="operon-install-")
        first = os.path.join(cls.dir, "first")
        run("cmake", "--install", cluster.BUILD, "--prefix", first)
        # An installed tree may be moved.
        cls.prefix = os.path.join(cls.dir, "prefix")
        os.rename(first, cls.prefix)
        cls.program = os.path.join(cls.prefix, "bin/operon")
        cls.examples = os.path.join(cls.prefix, "share/operon/examples")
        found = [d for d, _, files in os.walk(cls.prefix) if "operon.pc" in files]
        cls.env = dict(os.environ, PKG_CONFIG_PATH=found[0])

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir, ignore_errors=True)

    def cmake(self, source, name):
        """Builds by find_package, runs its tests; the build folder."""
        build = os.path.join(self.dir, name)
        run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={self.prefix}",
            "-DCMAKE_C_FLAGS=-Wall -Wextra -Werror")
        run("cmake", "--build", build)
        self.assertIn("100% tests passed", run("ctest", "--test-dir", build, "--no-tests=error"))
        return build

    def pkg_config(self, package):
        return run("pkg-config", "--cflags", "--libs", package, env=self.env).split()

    def test_what_is_installed(self):
        for path in ("bin/operon", "libexec/operon/operon-shim", "share/man/man1/operon.1",
                     "share/bash-completion/completions/operon", "share/zsh/site-functions/_operon",
                     "share/operon/policies/cpu_target.lua"):
            full = os.path.join(self.prefix, path)
            self.assertTrue(os.path.getsize(full) > 0, path)
        with open(os.path.join(self.prefix, "share/man/man1/operon.1")) as f:
            page = f.read()
        commands = [line.split()[0] for line in run(self.program, "--help").split("\n") if line.startswith("  ")]
        self.assertIn("up", commands)
        for name in commands:
            self.assertIn(f".SS operon {name} ", page)

    def test_completion(self):
        script = os.path.join(self.prefix, "share/bash-completion/completions/operon")
        for words, want in ((("operon", "get", "-o", "ya"), "yaml"), (("operon", "up", "--det"), "--detach"),
                            (("operon", "node", "k"), "kill"), (("operon", "vers"), "version")):
            line = " ".join(f"'{w}'" for w in words)
            text = run("bash", "-c", f". {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; "
                                     "_operon; echo \"${COMPREPLY[@]}\"")
            self.assertEqual(want, text.strip())

    def test_new_controller_builds_and_passes(self):
        source = os.path.join(self.dir, "hello-there")
        run(self.program, "new", "controller", "hello-there", cwd=self.dir)
        build = self.cmake(source, "hello-build")
        self.assertTrue(os.path.exists(os.path.join(build, "hello-there.so")))
        again = subprocess.run([self.program, "new", "controller", "hello-there"], cwd=self.dir,
                               capture_output=True, text=True)
        self.assertEqual(1, again.returncode)
        self.assertIn("is there already", again.stderr)

    def test_new_policy_passes_its_cases(self):
        run(self.program, "new", "policy", "mine", cwd=self.dir)
        self.assertIn("0 failed", run(self.program, "test", os.path.join(self.dir, "mine/mine.lua")))

    def test_pkg_config_of_a_scheduler_plugin(self):
        source = os.path.join(self.examples, "scheduler-plugin")
        plugin, test = os.path.join(self.dir, "pc-zones.so"), os.path.join(self.dir, "pc-zones-test")
        run("cc", "-o", plugin, "zones.c", *self.pkg_config("operon"), cwd=source)
        run("cc", "-o", test, "zones.c", "zones_test.c", *self.pkg_config("operon-testing"), cwd=source)
        folder = run("pkg-config", "--variable=plugins", "operon", env=self.env).strip()
        self.assertIn("passed", run(test, os.path.join(folder, "scheduler.so")))

    def test_scheduler_plugin_on_a_cluster(self):
        """The installed 'operon up --plugin' places Pods by the example's filter."""
        build = self.cmake(os.path.join(self.examples, "scheduler-plugin"), "zones-build")
        cluster.OPERON = self.program
        c = cluster.Cluster(1, "--plugin", os.path.join(build, "zones.so"))
        pod = ("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, labels: {app: a}, annotations: "
               "{demo.example/max-per-node: '1'}}\nspec: {containers: [{name: c, image: operon.local/host, "
               "command: [sleep, '60']}]}\n")
        try:
            c.up()
            c.operon("apply", "-f", "-", text=pod % "one")
            cluster.wait_for("placed", 20, lambda: "nodeName" in c.get("pod", "one")["spec"])
            c.operon("apply", "-f", "-", text=pod % "two")
            cluster.wait_for("refused", 20, lambda: "have 1 Pods of the app already" in
                             json.dumps(c.get("pod", "two")["status"]))
        finally:
            c.down()

    def test_pkg_config(self):
        source = os.path.join(self.examples, "c-web")
        plugin, test = os.path.join(self.dir, "pc-web.so"), os.path.join(self.dir, "pc-web-test")
        run("cc", "-Wall", "-Wextra", "-Werror", "-o", plugin, "web.c", *self.pkg_config("operon"), cwd=source)
        run("cc", "-Wall", "-Wextra", "-Werror", "-o", test, "web.c", "web_test.c",
            *self.pkg_config("operon-testing"), cwd=source)
        self.assertIn("passed", run(test))

    def test_web_on_a_cluster(self):
        """The example's plugin under the installed 'operon run' against the installed 'operon up'."""
        build = self.cmake(os.path.join(self.examples, "c-web"), "web-build")
        replicas = 2 if os.geteuid() == 0 else 1  # without privileges Pods share the host's ports
        cluster.OPERON = self.program
        c = cluster.Cluster(1)
        runner = None
        try:
            c.up()
            with open(os.path.join(c.dir, "logs/web.log"), "w") as log:
                runner = subprocess.Popen([self.program, "run", "--kubeconfig", c.kubeconfig, "--plugin",
                                           os.path.join(build, "web.so"), "--config",
                                           'web={"image":"operon.local/host:latest"}'], stdout=log, stderr=log)
            c.operon("apply", "-f", os.path.join(self.examples, "web-crd.yaml"))
            cluster.wait_for("the kind is served", 20, lambda: "hello" in c.operon(
                "apply", "-f", "-", text=WEB % (replicas, 18080), check=False))
            self.is_serving(c, replicas)
            c.operon("delete", "web", "hello")
            cluster.wait_for("children gone", 30, lambda: c.get("deployments")["items"] == [])
        finally:
            if runner:
                runner.terminate()
                self.assertEqual(0, runner.wait(20))
            c.down()

    def is_serving(self, c, replicas):
        def status():
            return c.get("web", "hello").get("status", {})
        try:
            cluster.wait_for("serving", 60, lambda: status().get("readyReplicas") == replicas)
        except AssertionError as e:
            raise AssertionError(f"{e}: {json.dumps(status())}{c.logs()}") from e
        self.assertEqual("Serving", status()["conditions"][0]["reason"])
        deployment = c.get("deployment", "hello")["spec"]["template"]["spec"]
        self.assertEqual("operon.local/host:latest", deployment["containers"][0]["image"])
        self.assertEqual("Hello from a Web", c.get("configmap", "hello")["data"]["index.html"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
