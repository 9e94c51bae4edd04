#!/usr/bin/env python3
"""Stock kubectl, what it writes: apply in its forms, create of each kind, patch, edit, delete, refusals."""
import json
import os
import stat
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from cluster import wait_for  # noqa: E402
from kubectl import WEB, KubectlTest  # noqa: E402

CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, labels: {set: %s}}\ndata: {a: \"%s\"}\n"


class KubectlWrites(KubectlTest):
    def test_apply_a_folder_and_prune(self):
        folder = self.folder("set", one=CM % ("one", "x", "1"), two=CM % ("two", "x", "1"))
        self.assertEqual(["configmap/one created", "configmap/two created"],
                         self.k("apply", "-f", folder).splitlines())
        self.assertEqual(2, self.k("apply", "-f", folder).count("unchanged"))
        os.unlink(os.path.join(folder, "two.yaml"))
        text = self.k("apply", "-f", folder, "--prune", "-l", "set=x", "--prune-allowlist=core/v1/ConfigMap")
        self.assertIn("configmap/two pruned", text)
        self.assertEqual(["configmap/one"], self.names("cm", "-l", "set=x"))
        self.assertIn("a: \"1\"", self.k("apply", "view-last-applied", "-f", folder))

    def test_apply_kustomization(self):
        folder = self.folder("kustom", cm=CM % ("c", "k", "1"))
        with open(os.path.join(folder, "kustomization.yaml"), "w") as f:
            f.write("resources: [cm.yaml]\nnamePrefix: made-\n")
        self.assertEqual("configmap/made-c created\n", self.k("apply", "-k", folder))

    def test_apply_keeps_what_others_set(self):
        self.k("apply", "-f", "-", text=CM % ("shared", "s", "1"))
        self.k("patch", "cm", "shared", "-p", '{"data":{"b":"theirs"}}')
        self.k("apply", "-f", "-", text=(CM % ("shared", "s", "2")).replace("{a: ", "{c: "))
        self.assertEqual({"b": "theirs", "c": "2"}, self.object("cm", "shared")["data"])

    def test_dry_run_and_diff(self):
        text = CM % ("dry", "d", "one")
        self.assertIn("created (server dry run)", self.k("apply", "-f", "-", "--dry-run=server", text=text))
        self.assertIn("not found", self.refused("get", "cm", "dry"))
        self.k("apply", "-f", "-", text=text)
        done = self.k("diff", "-f", "-", text=text.replace('a: "one"', 'a: two'), check=False)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn("-  a: one\n+  a: two", done.stdout)
        self.assertEqual("", self.k("diff", "-f", "-", text=text))
        self.assertEqual("one", self.path(".data.a", "cm", "dry"), "nothing was written")

    def test_create_of_each_kind(self):
        made = {
            "configmap lit --from-literal=a=b": "configmap/lit created",
            "secret generic word --from-literal=p=q": "secret/word created",
            "secret docker-registry reg --docker-username=u --docker-password=p": "secret/reg created",
            "serviceaccount robot": "serviceaccount/robot created",
            "role r --verb=get --resource=pods": "role.rbac.authorization.k8s.io/r created",
            "clusterrole cr --verb=get --resource=nodes": "clusterrole.rbac.authorization.k8s.io/cr created",
            "rolebinding rb --role=r --serviceaccount=default:robot": "rolebinding.rbac.authorization.k8s.io/rb created",
            "clusterrolebinding crb --clusterrole=cr --user=joe":
                "clusterrolebinding.rbac.authorization.k8s.io/crb created",
            "namespace made": "namespace/made created",
            "service clusterip ci --tcp=80:8080": "service/ci created",
            "service nodeport np --tcp=80": "service/np created",
            "service loadbalancer lb --tcp=80": "service/lb created",
            "service externalname en --external-name=x.example": "service/en created",
            "deployment dep --image=operon.local/host --replicas=0 --port=80": "deployment.apps/dep created",
            "priorityclass high --value=10 --description=d": "priorityclass.scheduling.k8s.io/high created",
            "poddisruptionbudget pdb --selector=a=b --max-unavailable=1": "poddisruptionbudget.policy/pdb created"}
        for command, said in made.items():
            self.assertEqual(said + "\n", self.k("create", *command.split()), command)
        self.assertEqual("8080", self.path(".spec.ports[0].targetPort", "svc", "ci"))
        self.assertGreaterEqual(int(self.path(".spec.ports[0].nodePort", "svc", "np")), 30000)
        self.assertEqual("kubernetes.io/dockerconfigjson", self.path(".type", "secret", "reg"))
        self.assertEqual(3, self.k("create", "token", "robot", "--duration=10m").count(".") + 1)

    def test_create_of_what_is_not_served(self):
        for command in ("job j --image=i", "cronjob c --image=i --schedule=0@0@*@*@*", "quota q --hard=pods=1",
                        "ingress i --rule=h/p=s:80"):
            words = [word.replace("@", " ") for word in command.split()]
            self.assertIn("could not find the requested resource", self.refused("create", *words), command)
        self.assertIn('no matches for kind "StatefulSet"', self.refused(
            "apply", "-f", "-", text="apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x}\n"))

    def test_generated_names(self):
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n"
        self.assertRegex(self.k("create", "-f", "-", text=text), r"^configmap/gen-[a-z0-9]{5} created\n$")

    def test_patch(self):
        self.k("apply", "-f", "-", text=WEB.replace("web", "patched").replace("replicas: 2", "replicas: 0"))
        add = {"spec": {"template": {"spec": {"containers": [{"name": "c", "env": [{"name": "A", "value": "1"}]}]}}}}
        self.k("patch", "deploy", "patched", "-p", json.dumps(add))
        box = self.object("deploy", "patched")["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual("operon.local/host", box["image"], "merged by name")
        self.assertEqual([{"name": "A", "value": "1"}], box["env"])
        self.k("patch", "deploy", "patched", "--type=merge", "-p", '{"spec":{"paused":true}}')
        self.k("patch", "deploy", "patched", "--type=json", "-p",
               '[{"op":"test","path":"/spec/paused","value":true},{"op":"remove","path":"/spec/paused"}]')
        self.assertEqual("", self.path(".spec.paused", "deploy", "patched"))
        self.assertIn("no change", self.k("patch", "deploy", "patched", "-p", "{}"))
        self.k("patch", "deploy", "patched", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":1}}')
        self.assertEqual("1", self.path(".spec.replicas", "deploy", "patched"))
        self.k("delete", "deploy", "patched")
        self.refused("patch", "cm", "kube-root-ca.crt", "--type=json", "-p", '[{"op":"remove","path":"/nothere"}]')

    def test_label_and_annotate(self):
        self.k("create", "cm", "marked")
        self.assertEqual("configmap/marked labeled\n", self.k("label", "cm", "marked", "l=1"))
        self.assertIn("--overwrite is false", self.refused("label", "cm", "marked", "l=2"))
        self.k("label", "cm", "marked", "l=2", "--overwrite")
        self.assertIn("l=2", self.k("label", "cm", "marked", "--list"))
        self.assertEqual("configmap/marked unlabeled\n", self.k("label", "cm", "marked", "l-"))
        self.k("annotate", "cm", "marked", "n=text with blanks")
        self.assertEqual("text with blanks", self.path(".metadata.annotations.n", "cm", "marked"))
        self.k("annotate", "cm", "marked", "n-")
        self.assertEqual("", self.path(".metadata.annotations", "cm", "marked"))
        self.assertIn("63", self.refused("label", "cm", "marked", "l=" + "x" * 64))

    def test_edit(self):
        self.k("create", "cm", "edited", "--from-literal=a=before")
        editor = os.path.join(self.cluster.dir, "editor")
        with open(editor, "w") as f:
            f.write('#!/bin/sh\nsed -i "s/a: before/a: after/" "$1"\n')
        os.chmod(editor, stat.S_IRWXU)
        self.cluster.env["KUBE_EDITOR"] = editor
        self.assertEqual("configmap/edited edited\n", self.k("edit", "cm", "edited"))
        self.assertEqual("after", self.path(".data.a", "cm", "edited"))
        self.assertIn("no changes made", self.k("edit", "cm", "edited", check=False).stderr)

    def test_replace(self):
        self.k("create", "-f", "-", text=CM % ("replaced", "r", "1"))
        old = self.object("cm", "replaced")
        self.assertEqual("configmap/replaced replaced\n",
                         self.k("replace", "-f", "-", text=CM % ("replaced", "r", "2")))
        self.assertIn("the object has been modified", self.refused("replace", "-f", "-", text=json.dumps(old)))
        self.k("replace", "--force", "-f", "-", text=CM % ("replaced", "r", "3"))
        new = self.object("cm", "replaced")
        self.assertEqual("3", new["data"]["a"])
        self.assertNotEqual(old["metadata"]["uid"], new["metadata"]["uid"])

    def test_delete(self):
        for name in "pqrs":
            self.k("create", "cm", "gone-" + name)
            self.k("label", "cm", "gone-" + name, "gone=yes")
        self.assertIn('configmap "gone-p" deleted', self.k("delete", "cm", "gone-p"))
        self.assertIn("not found", self.refused("delete", "cm", "gone-p"))
        self.assertEqual("", self.k("delete", "cm", "gone-p", "--ignore-not-found"))
        self.assertEqual(3, self.k("delete", "cm", "-l", "gone=yes").count("deleted"))
        self.k("create", "namespace", "emptied")
        self.k("create", "cm", "x", "-n", "emptied")
        self.assertIn('configmap "x" deleted', self.k("delete", "cm", "--all", "-n", "emptied"))
        self.k("delete", "namespace", "emptied", "--timeout=30s")
        self.assertIn("not found", self.refused("get", "namespace", "emptied"))
        self.assertIn("may not be deleted", self.refused("delete", "namespace", "default"))

    def test_delete_waits_for_finalizers(self):
        self.k("apply", "-f", "-", text="apiVersion: v1\nkind: ConfigMap\nmetadata:\n"
                                        "  name: held\n  finalizers: [demo.example/hold]\n")
        self.assertIn("timed out", self.refused("delete", "cm", "held", "--timeout=1s"))
        self.assertTrue(self.path(".metadata.deletionTimestamp", "cm", "held"))
        self.k("patch", "cm", "held", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        self.assertEqual("", self.k("wait", "--for=delete", "cm/held", "--timeout=10s"))

    def test_delete_cascades(self):
        for how in ("orphan", "foreground", "background"):
            self.k("apply", "-f", "-", text=WEB.replace("web", how).replace("replicas: 2", "replicas: 1"))
            self.k("rollout", "status", "deploy/" + how, "--timeout=30s")
            self.k("delete", "deploy", how, "--cascade=" + how, "--timeout=30s")
        self.assertEqual([], self.names("rs,pods", "-l", "app=foreground"), "the owner goes last")
        wait_for("the background collected", 20, lambda: not self.names("rs,pods", "-l", "app=background"))
        sets = self.object("rs", "-l", "app=orphan")["items"]
        self.assertEqual(1, len(sets))
        self.assertNotIn("ownerReferences", sets[0]["metadata"])
        self.k("delete", "rs", "-l", "app=orphan", "--timeout=30s")

    def test_delete_of_pods(self):
        stubborn = ('{"apiVersion":"v1","kind":"Pod","metadata":{"name":"stubborn"},"spec":{"containers":[{"name":"c",'
                    '"image":"operon.local/host","command":["sh","-c","trap \'\' TERM; while :; do sleep 1; done"]}]}}')
        self.k("apply", "-f", "-", text=stubborn)
        self.k("wait", "pod/stubborn", "--for=condition=Ready", "--timeout=20s")
        self.k("delete", "pod", "stubborn", "--wait=false", "--grace-period=300")
        self.assertEqual("300", self.path(".metadata.deletionGracePeriodSeconds", "pod", "stubborn"))
        self.assertIn("force deleted", self.k("delete", "pod", "stubborn", "--grace-period=0", "--force"))
        self.assertIn("not found", self.refused("get", "pod", "stubborn"))

    def test_refusals(self):
        self.k("create", "cm", "twice")
        self.assertIn('configmaps "twice" already exists', self.refused("create", "cm", "twice"))
        self.assertIn('unknown field "spec.replcas"', self.refused(
            "apply", "-f", "-", text=WEB.replace("replicas: 2", "replcas: 2")))
        self.assertIn('namespaces "nothere" not found', self.refused("create", "cm", "x", "-n", "nothere"))
        self.assertIn("RFC 1123", self.refused("create", "cm", "Upper_Case"))
        self.assertIn("spec.replicas: Invalid value: -1", self.refused(
            "create", "-f", "-", text=WEB.replace("replicas: 2", "replicas: -1")))
        self.assertIn("`selector` does not match template `labels`", self.refused(
            "create", "-f", "-", text=WEB.replace("matchLabels: {app: web}", "matchLabels: {app: other}")))
        self.assertIn("field is immutable", self.change_selector())

    def change_selector(self):
        text = WEB.replace("web", "fixed").replace("replicas: 2", "replicas: 0")
        self.k("create", "-f", "-", text=text)
        self.addCleanup(self.k, "delete", "deploy", "fixed")
        return self.refused("replace", "-f", "-", text=text.replace("app: fixed", "app: moved"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
