#!/usr/bin/env python3
"""Who may do what, asked of a real kube-apiserver and of Operon's: the same answers.

Anonymous requests, impersonation, the reviews, ServiceAccount tokens, role-based access with its
escalation checks, default roles, and built-in admission. AUTH_ROUNDS and AUTH_SEED choose how many
random access reviews are asked and which. Needs kube-apiserver, etcd and kubectl in REAL_BIN; skipped
with the name of what is missing."""
import base64
import json
import os
import random
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from auth_cases import (  # noqa: E402
    ACCOUNTS, ADMISSION, ANONYMOUS, AUTHN, BY_ACCOUNT, EMPTY, GRANTS, IMPERSONATION, KNOWN_ROLES, PODS, RBAC,
    REFUSED, REVIEWS, SAR, SETUP, SPACES, TOKENS, access, binding, is_known, pod, random_question,
    random_rule, random_subject, role)
from pair import UUID, PairTest, differences, timeless  # noqa: E402

PORT = int(os.environ.get("AUTH_PORT", "30743"))
ROUNDS = int(os.environ.get("AUTH_ROUNDS", "400"))
SEED = int(os.environ.get("AUTH_SEED", "1"))

TOKEN_NAME = re.compile(r"kube-api-access-[a-z0-9]{5}\b")
JWT = re.compile(r"\b[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{40,}")


# What differs and may: whose words they are, and what quotes Go's own.
BUILD = ("compiler", "gitCommit", "gitVersion", "goVersion")
META_VALUE = re.compile(r"(metadata: |^)Invalid value: \{.*?\}: must be empty")
NO_USER = re.compile(r"^requested &user.*|^groups, a uid and extra can be .*", re.S)


def worded(text):
    return NO_USER.sub("no user", META_VALUE.sub(r"\1must be empty", text))


def plain_status(status):
    """Rules in one order, and without the number of the certificate."""
    for name in ("resourceRules", "nonResourceRules"):
        if name in status:
            status[name] = sorted(status[name] or [], key=json.dumps)
    user = status.get("userInfo", {})
    user.get("extra", {}).pop("authentication.kubernetes.io/credential-id", None)
    if user.get("extra") == {}:
        user.pop("extra")


def plain(answer):
    """Code and body of an answer, without what is of the moment."""
    body = timeless(answer.body)
    if isinstance(body, dict):
        (body.get("metadata") or {}).pop("managedFields", None)
        body = json.loads(JWT.sub("JWT", TOKEN_NAME.sub("kube-api-access-X", json.dumps(body))))
        body = {k: worded(v) if k == "message" else v for k, v in body.items() if k not in BUILD}
        causes = (body.get("details") or {}).get("causes", [])
        for cause in causes:
            cause["message"] = worded(cause["message"])
        causes.sort(key=json.dumps)
        if isinstance(body.get("status"), dict):
            plain_status(body["status"])
    return {"code": answer.code, "body": body}


def defaults(side, plural):
    """The default roles or bindings, by namespace and name; lists of words are in no order."""
    found = {}
    for item in side.call("GET", f"{RBAC}/{plural}").body["items"]:
        m = item["metadata"]
        if "kubernetes.io/bootstrapping" in m.get("labels", {}):
            kept = {"labels": m["labels"], "annotations": m.get("annotations")}
            for part in ("rules", "subjects", "roleRef", "aggregationRule"):
                kept[part] = item.get(part)
            for one in kept["rules"] or []:
                for words in one.values():
                    words.sort()
            (kept["rules"] or []).sort(key=json.dumps)
            found[f"{m.get('namespace', '')}/{m['name']}"] = kept
    return found


def claims(token):
    """The claims of a token with times as differences, and without what is of the moment."""
    part = token.split(".")[1]
    found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    begin = found.pop("iat")
    for name in ("exp", "nbf"):
        found[name] -= begin
    own = found["kubernetes.io"]
    if "warnafter" in own:
        own["warnafter"] -= begin
    found["jti"] = bool(UUID.fullmatch(found["jti"]))
    for part in own.values():
        if isinstance(part, dict):
            part["uid"] = bool(UUID.fullmatch(part["uid"]))
    return found


def identified(answer):
    """A review's answer without the token's own number, and without what is said of the audiences."""
    text = re.sub(r"JTI=UUID|JTI=[0-9a-f-]{36}", "JTI", json.dumps(answer))
    return json.loads(re.sub(r"\[invalid bearer token, token audiences [^}]*\]\"", 'invalid bearer token"', text))


def make_random(rng, pair):
    """The same roles and bindings on both sides; both take them or none does."""
    for i in range(25):
        is_cluster = rng.random() < .5
        rules = [random_rule(rng, is_cluster) for _ in range(rng.randint(1, 2))]
        kind, of = ("ClusterRole", f"r{i}") if is_cluster else ("Role", f"r{i}")
        ns = rng.choice(SPACES[:2])
        is_wide = is_cluster and rng.random() < .5
        for path, body in (
                (f"{RBAC}/clusterroles" if is_cluster else f"{RBAC}/namespaces/{ns}/roles", role(of, *rules)),
                (f"{RBAC}/clusterrolebindings" if is_wide else f"{RBAC}/namespaces/{ns}/rolebindings",
                 binding(f"r{i}", kind, of, *(random_subject(rng, rng.choice(SPACES))
                                              for _ in range(rng.randint(1, 2)))))):
            codes = [a.code for a in pair.both("POST", path, body)]
            assert codes[0] == codes[1], (codes, path, body)


def tell(real, own):
    """Lines that tell what two answers differ in; whole objects only where both are of a kind."""
    if real["code"] == own["code"]:
        return differences(real, own)
    return [f"  {side} {a['code']} {(a['body'].get('message') or '') if isinstance(a['body'], dict) else a['body']}"
            for side, a in (("real", real), ("own ", own))]


class Auth(PairTest):
    PORT = PORT

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for path, body in SETUP:
            for answer in cls.pair.both("POST", path, body):
                assert answer.code == 201, (path, answer.body)
        for answer in cls.pair.both("DELETE", "/api/v1/namespaces/ending"):
            assert answer.code == 200, answer.body

    def compare(self, cases, is_anonymous=False):
        """Each case is (method, path, body, headers)."""
        self.maxDiff = None
        found = 0
        for method, path, body, headers in cases:
            is_excused = is_known(method, path, headers)
            headers = dict(headers)
            kind = headers.pop("Content-Type", "application/json")
            real, own = (plain(a) for a in self.pair.both(method, path, body, kind, headers, is_anonymous))
            if real != own and not is_excused:
                found += 1
                print(f"\n== {method} {path} {json.dumps(body)[:300]} {headers}", file=sys.stderr)
                print("\n".join(tell(real, own)), file=sys.stderr)
        self.assertEqual(found, 0, f"of {len(cases)} answers differ")

    def test_anonymous(self):
        self.compare(ANONYMOUS, is_anonymous=True)

    def test_impersonation(self):
        self.compare(IMPERSONATION)

    def test_reviews(self):
        self.compare(REVIEWS)

    def test_tokens(self):
        self.compare(TOKENS)

    def sides_tokens(self, account, spec=None):
        answers = self.pair.both("POST", f"{ACCOUNTS}/{account}/token", {"spec": spec or {}})
        return [answer.body["status"]["token"] for answer in answers]

    def with_tokens(self, tokens, method, path, body=None, **headers):
        """The answers to a request that each side's own token makes."""
        return [plain(side.call(method, path, body, is_anonymous=True,
                                headers={"Authorization": "Bearer " + token, **headers}))
                for side, token in zip(self.pair.sides, tokens)]

    def test_token_claims(self):
        self.maxDiff = None
        pod_ref = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "of-sa"}}
        node_ref = {"boundObjectRef": {"kind": "Node", "apiVersion": "v1", "name": "n1"}}
        for spec in ({}, pod_ref, node_ref, {"audiences": ["a", "b"]}, {"expirationSeconds": 1000},
                     {**pod_ref, "expirationSeconds": 3607}, {"expirationSeconds": 3607}):
            with self.subTest(spec=spec):
                real, own = (claims(token) for token in self.sides_tokens("sa", spec))
                self.assertEqual(real, own)
                tokens = self.sides_tokens("sa", spec)
                for method, path, body in (("GET", EMPTY, None), ("GET", "/api/v1/nodes", None),
                                           ("POST", AUTHN + "/selfsubjectreviews", {})):
                    real, own = self.with_tokens(tokens, method, path, body)
                    self.assertEqual(identified(real), identified(own))
                for audiences in ([], ["a"], ["x"], ["https://kubernetes.default.svc"], ["b", "a"]):
                    real, own = (plain(side.call("POST", AUTHN + "/tokenreviews", {
                        "spec": {"token": token, "audiences": audiences}}))
                        for side, token in zip(self.pair.sides, tokens))
                    self.assertEqual(identified(real), identified(own))

    def test_token_end(self):
        self.pair.both("POST", ACCOUNTS, {"metadata": {"name": "brief"}})
        self.pair.both("POST", PODS, pod("brief", serviceAccountName="brief"))
        bound = self.sides_tokens("brief", {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "brief"}})
        free = self.sides_tokens("brief")
        for step, tokens, code in (((None, None), bound, 201), ((None, None), free, 201),
                                   (("DELETE", PODS + "/brief"), bound, 401), ((None, None), free, 201),
                                   (("DELETE", ACCOUNTS + "/brief"), free, 401)):
            if step[0]:
                self.pair.both(*step)
            for _ in range(100):  # the real one remembers a good token for up to ten seconds
                answers = self.with_tokens(tokens, "POST", AUTHN + "/selfsubjectreviews", {})
                if answers[0]["code"] == code:
                    break
                time.sleep(.2)
            self.assertEqual([a["code"] for a in answers], [code, code], step)

    def test_impersonation_by_account(self):
        """Who may not impersonate at all is told by a real one of "impersonate-on:user-info:list" and the
        like, which 1.36 tries first; Operon knows the verb impersonate only: both refuse."""
        accounts, found = {name: self.sides_tokens(name) for name in ("imp", "sa")}, []
        for headers in BY_ACCOUNT:
            for account, method, path, body in (
                    ("imp", "GET", EMPTY, None), ("imp", "POST", AUTHN + "/selfsubjectreviews", {}),
                    ("sa", "GET", EMPTY, None), ("sa", "GET", "/version", None)):
                tokens = accounts[account]
                real, own = self.with_tokens(tokens, method, path, body, **headers)
                if real["code"] != own["code"] or (account == "imp" and real != own):
                    found.append("\n".join([f"{account} {method} {path} {headers}", *tell(real, own)]))
        self.assertEqual("\n".join(found), "")

    def test_default_roles(self):
        self.maxDiff = None
        for plural in ("clusterroles", "clusterrolebindings", "roles", "rolebindings"):
            real, own = (defaults(side, plural) for side in self.pair.sides)
            for name in KNOWN_ROLES.get(plural, {}):
                real.pop(name, None)
                own.pop(name, None)
            with self.subTest(plural=plural):
                self.assertEqual(differences(real, own), [])

    def test_random_access(self):
        rng = random.Random(SEED)
        make_random(rng, self.pair)
        found = []
        for _ in range(ROUNDS):
            body = {"spec": random_question(rng)}
            real, own = (a.body["status"] for a in self.pair.both("POST", SAR, body))
            if real["allowed"] != own["allowed"] or bool(real.get("reason")) != bool(own.get("reason")):
                found.append((body, real, own))
        for body, real, own in found[:10]:
            print(f"\n== {json.dumps(body)}\n  real {real}\n  own  {own}", file=sys.stderr)
        self.assertEqual(len(found), 0)

    def test_refusals(self):
        self.compare(REFUSED)

    def test_grants(self):
        self.compare(GRANTS)

    def test_admission(self):
        self.compare(ADMISSION)


if __name__ == "__main__":
    unittest.main(verbosity=2)
