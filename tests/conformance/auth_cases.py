"""The requests of auth_test.py, as tables, and what is known to differ in their answers."""

RBAC = "/apis/rbac.authorization.k8s.io/v1"
IN_NS = RBAC + "/namespaces/default"
AUTHZ = "/apis/authorization.k8s.io/v1"
AUTHN = "/apis/authentication.k8s.io/v1"
PODS = "/api/v1/namespaces/default/pods"
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
API_GROUP = "rbac.authorization.k8s.io"


def rule(verbs, groups=None, resources=None, names=None, paths=None):
    """A policy rule; what is None is left out."""
    said = {"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names,
            "nonResourceURLs": paths}
    return {k: v for k, v in said.items() if v is not None}


def role(name, *rules, **more):
    return {"metadata": {"name": name}, "rules": list(rules) or None, **more}


def subject(kind, name, namespace=None):
    group = {} if kind == "ServiceAccount" else {"apiGroup": API_GROUP}
    return {"kind": kind, "name": name, **group, **({"namespace": namespace} if namespace else {})}


def binding(name, kind, of, *subjects):
    return {"metadata": {"name": name}, "subjects": list(subjects),
            "roleRef": {"apiGroup": API_GROUP, "kind": kind, "name": of}}


def as_user(name, *groups, **more):
    """Headers as a list of pairs would be needed for several groups: http.client takes one of a name."""
    headers = {"Impersonate-User": name} if name else {}
    if groups:
        headers["Impersonate-Group"] = groups[0]
    headers.update({k.replace("_", "-"): v for k, v in more.items()})
    return headers


def pod(name="p", **spec):
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


def access(**attributes):
    return {"spec": {"user": "bob", "resourceAttributes": attributes}}


SETUP = [
    (RBAC + "/clusterroles", role("reader", rule(["get", "list"], [""], ["pods", "configmaps"]))),
    (RBAC + "/clusterroles", role("writer", rule(["*"], ["*"], ["*"]), rule(["*"], paths=["*"]))),
    (RBAC + "/clusterroles", role("roles", rule(["create", "update", "get", "patch"], [API_GROUP], [
        "roles", "rolebindings", "clusterroles", "clusterrolebindings"]))),
    (RBAC + "/clusterroles", role("impersonator", rule(["impersonate"], [""], ["users"], ["alice"]),
                                  rule(["impersonate"], [""], ["groups"], ["team"]),
                                  rule(["impersonate"], ["authentication.k8s.io"], ["userextras/scopes"], ["view"]),
                                  rule(["impersonate"], ["authentication.k8s.io"], ["uids"], ["u1"]))),
    (RBAC + "/clusterroles", role("bound", rule(["bind"], [API_GROUP], ["clusterroles"], ["writer"]),
                                  rule(["escalate"], [API_GROUP], ["roles"], ["free"]),
                                  rule(["create", "update", "get", "patch"], [API_GROUP],
                                       ["roles", "rolebindings"]))),
    (RBAC + "/clusterrolebindings", binding("carl", "ClusterRole", "reader", subject("User", "carl"))),
    (RBAC + "/clusterrolebindings", binding("carl-roles", "ClusterRole", "roles", subject("User", "carl"))),
    (RBAC + "/clusterrolebindings", binding("imp", "ClusterRole", "impersonator",
                                            subject("ServiceAccount", "imp", "default"))),
    (ACCOUNTS, {"metadata": {"name": "imp"}}),
    (RBAC + "/clusterrolebindings", binding("dora", "ClusterRole", "bound", subject("User", "dora"))),
    (RBAC + "/clusterrolebindings", binding("gone", "ClusterRole", "no-such", subject("User", "erik"))),
    (RBAC + "/clusterrolebindings", binding("gone2", "ClusterRole", "no-such", subject("User", "erik"))),
    (RBAC + "/clusterrolebindings", binding("sa", "ClusterRole", "reader", subject("ServiceAccount", "sa", "default"))),
    (RBAC + "/clusterroles", role("gatherer", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]})),
    (IN_NS + "/roles", role("own", rule(["get"], [""], ["secrets"], ["s1"]))),
    (IN_NS + "/rolebindings", binding("own", "Role", "own", subject("User", "carl"),
                                      subject("ServiceAccount", "sa", "default"))),
    (ACCOUNTS, {"metadata": {"name": "sa"}}),
    (ACCOUNTS, {"metadata": {"name": "default"}}),
    (ACCOUNTS, {"metadata": {"name": "quiet"}, "automountServiceAccountToken": False,
                "imagePullSecrets": [{"name": "pull"}]}),
    (PODS, pod("of-sa", serviceAccountName="sa")),
    ("/api/v1/namespaces/default/secrets", {"metadata": {"name": "s1"}}),
    (CLASSES, {"metadata": {"name": "high"}, "value": 1000, "preemptionPolicy": "Never"}),
    ("/api/v1/namespaces", {"metadata": {"name": "ending"}}),
    ("/api/v1/namespaces/ending/configmaps", {"metadata": {"name": "x", "finalizers": ["example.com/f"]}}),
    ("/api/v1/nodes", {"metadata": {"name": "n1", "labels": {
        "topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "other": "o"}}}),
]

ANONYMOUS = [("GET", path, None, headers) for headers in
             ({}, {"Authorization": "Basic Ym9iOmJvYg=="}, {"Authorization": "nonsense"}, {"Authorization": "Bearer"},
              {"Authorization": "Bearer "}, {"Authorization": "Bearer  "}, {"Authorization": "bearer"},
              {"Authorization": ""})
             for path in (PODS, "/api/v1/nodes/n", "/healthz", "/version", "/api", "/metrics")]
ANONYMOUS += [("GET", path, None, headers) for headers in
              ({"Authorization": "Bearer nonsense"}, {"Authorization": "bearer a.b.c"},
               {"Authorization": "BEARER x"}, {"Authorization": "Bearer x y"})
              for path in (PODS, "/healthz", "/version", "/api", "/")]
ANONYMOUS += [("GET", path, None, {}) for path in
              ("/", "/apis", "/openapi/v3", "/openapi/v2", "/livez", "/readyz", "/livez/ping", "/healthz/ping",
               "/readyz/ping", "/version/", "/logs", "/nothing",
               "/.well-known/openid-configuration",
               "/openid/v1/jwks", "/api/v1", "/apis/apps/v1", "/apis/apps/v1/deployments",
               "/apis/nothing.example.com/v1/things", "/api/v1/namespaces/default/pods/x/log",
               "/api/v1/namespaces/default/pods?watch=1", "/api/v1/namespaces/default", "/api/v1/namespaces")]
ANONYMOUS += [("POST", PODS, {}, {}), ("DELETE", PODS, None, {}), ("DELETE", PODS + "/x", None, {}),
              ("PUT", PODS + "/x", {}, {}), ("POST", "/healthz", {}, {}), ("POST", "/api", {}, {}),
              ("POST", AUTHZ + "/selfsubjectaccessreviews", {}, {}), ("POST", AUTHN + "/selfsubjectreviews", {}, {})]

EMPTY = "/api/v1/namespaces/kube-public/pods"  # as other tests leave it
IMPERSONATION = [("GET", EMPTY, None, headers) for headers in (
    as_user("bob"), as_user("carl"), as_user("bob", "system:masters"), as_user("bob", "team"),
    as_user("system:serviceaccount:default:sa"), as_user("system:serviceaccount:default"),
    as_user("system:serviceaccount::"), as_user("system:serviceaccount:a:b:c"), as_user("system:anonymous"),
    as_user("system:anonymous", "system:masters"), as_user("", "team"), as_user("", Impersonate_Uid="u"),
    as_user("", Impersonate_Extra_scopes="view"), as_user("bob", Impersonate_Uid="u"),
    as_user("bob", Impersonate_Extra_scopes="view"))]
BY_ACCOUNT = [as_user("alice"), as_user("bob"), as_user("alice", "team"), as_user("alice", "other"),
              as_user("alice", Impersonate_Uid="u1"), as_user("alice", Impersonate_Uid="u2"),
              as_user("alice", Impersonate_Extra_scopes="view"), as_user("alice", Impersonate_Extra_scopes="edit"),
              as_user("alice", Impersonate_Extra_other="view"), as_user("system:serviceaccount:default:sa"),
              as_user("system:node:n1"), as_user("system:anonymous"), as_user("alice", "system:masters"),
              as_user("", "team")]
WHO = ("POST", AUTHN + "/selfsubjectreviews", {})
IMPERSONATION += [WHO + (headers,) for headers in (
    {}, as_user("bob"), as_user("bob", "team"), as_user("bob", "system:authenticated"),
    as_user("bob", "system:unauthenticated"), as_user("system:anonymous", "team"),
    as_user("system:anonymous"), as_user("system:serviceaccount:default:sa"),
    as_user("system:serviceaccount:default:sa", "team"), as_user("system:serviceaccount:default"),
    as_user("bob", Impersonate_Uid="u1"), as_user("bob", Impersonate_Extra_scopes="view"),
    as_user("bob", **{"Impersonate_Extra_Example.com%2Fkey": "v"}), as_user("bob", Impersonate_Uid=""),
    as_user("system:node:n1", "system:nodes"))]

SAR, SELF = AUTHZ + "/subjectaccessreviews", AUTHZ + "/selfsubjectaccessreviews"
LOCAL, RULES = AUTHZ + "/namespaces/default/localsubjectaccessreviews", AUTHZ + "/selfsubjectrulesreviews"
PATHS = {"path": "/healthz", "verb": "get"}
BOTH = {"resourceAttributes": {"verb": "get", "resource": "pods"}, "nonResourceAttributes": PATHS}
REVIEWS = [("POST", SAR, body, {}) for body in (
    {}, {"spec": {}}, {"spec": {"user": "bob"}}, {"spec": BOTH}, {"spec": {"user": "bob", **BOTH}},
    {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}},
    {"spec": {"groups": ["g"], "resourceAttributes": {"verb": "get", "resource": "pods"}}},
    {"spec": {"groups": ["system:masters"], "resourceAttributes": {"verb": "get", "resource": "pods"}}},
    {"spec": {"user": "bob", "nonResourceAttributes": PATHS}}, {"spec": {"user": "bob", "nonResourceAttributes": {}}},
    {"spec": {"groups": ["system:unauthenticated"], "nonResourceAttributes": PATHS}},
    {"spec": {"groups": ["system:authenticated"], "nonResourceAttributes": {"path": "/api", "verb": "get"}}},
    {"spec": {"user": "carl", "uid": "u", "extra": {"a": ["b"]}, "resourceAttributes": {
        "verb": "get", "resource": "pods"}}},
    {"spec": {"user": "erik", "resourceAttributes": {"verb": "get", "resource": "pods"}}},
    {"spec": {"user": "erik", "nonResourceAttributes": {"verb": "get", "path": "/x"}}},
    {"spec": {"user": "system:serviceaccount:default:sa", "resourceAttributes": {"verb": "get", "resource": "pods"}}},
    {"spec": {"user": "system:serviceaccount:default:sa", "resourceAttributes": {
        "verb": "get", "resource": "secrets", "name": "s1", "namespace": "default"}}},
    access(), access(verb="get"), access(verb="get", resource="pods"), access(resource="pods"),
    access(verb="get", resource="pods", namespace="no such", name="N", version="v1"),
    access(verb="get", resource="pods", namespace="default", subresource="log"),
    access(verb="*", resource="*", group="*"), access(verb="list", resource="pods", group="apps", version="v9"),
    access(verb="get", resource="pods", fieldSelector={"rawSelector": "a=b"}),
    access(verb="get", resource="pods", labelSelector={"rawSelector": "a=b"}),
    access(verb="list", resource="pods", labelSelector={"rawSelector": "a=b", "requirements": [
        {"key": "a", "operator": "In", "values": ["b"]}]}),
    access(verb="list", resource="pods", fieldSelector={}),
    access(verb="list", resource="pods", labelSelector={}),
    access(verb="list", resource="pods", fieldSelector={"requirements": [{"key": "", "operator": "In"}]}),
    access(verb="list", resource="pods", fieldSelector={"requirements": [
        {"key": "a", "operator": "Exists", "values": ["x"]}]}),
    {"metadata": {"name": "n"}, **access(verb="get", resource="pods")},
    {"metadata": {"namespace": "default"}, **access(verb="get", resource="pods")},
    {"metadata": {"labels": {"a": "b"}}, **access(verb="get", resource="pods")},
    {"metadata": {"uid": "x", "creationTimestamp": None}, **access(verb="get", resource="pods")},
    {"status": {"allowed": True, "reason": "x"}, **access(verb="get", resource="pods")},
    {"spec": {"user": "bob", "resourceAttributes": {"verb": "get", "resource": "pods"}, "odd": 1}},
    {"kind": "Pod", "apiVersion": "v1"}, {"kind": "SelfSubjectAccessReview",
                                          "apiVersion": "authorization.k8s.io/v1", "spec": BOTH},
    "{")]
REVIEWS += [("POST", SELF, body, headers) for headers in ({}, as_user("bob"), as_user("carl"))
            for body in ({}, {"spec": {}}, {"spec": BOTH},
                         {"spec": {"nonResourceAttributes": {"path": "/api", "verb": "get"}}},
                         {"spec": {"resourceAttributes": {}}},
                         {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}},
                         {"spec": {"resourceAttributes": {"verb": "get", "resource": "secrets", "name": "s1",
                                                          "namespace": "default"}}},
                         {"metadata": {"name": "n", "namespace": "x"}, "spec": {
                             "resourceAttributes": {"verb": "get", "resource": "pods"}}},
                         {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
                          "status": {"allowed": True}})]
REVIEWS += [("POST", path, body, {}) for path in (LOCAL, LOCAL.replace("default", "nowhere"))
            for body in ({}, {"spec": {}}, access(verb="get", resource="pods"),
                         access(verb="get", resource="pods", namespace="default"),
                         access(verb="get", resource="pods", namespace="other"),
                         {"metadata": {"namespace": "other"}, **access(verb="get", resource="pods",
                                                                      namespace="default")},
                         {"metadata": {"namespace": "default"}, **access(verb="get", resource="pods",
                                                                        namespace="default")},
                         {"metadata": {"name": "n"}, **access(verb="get", resource="pods", namespace="default")},
                         {"spec": {"user": "bob", "nonResourceAttributes": PATHS}},
                         {"spec": {"user": "bob", **BOTH}}, {"spec": BOTH},
                         {"spec": {"user": "carl", "resourceAttributes": {
                             "verb": "get", "resource": "pods", "namespace": "default"}}})]
REVIEWS += [("POST", RULES, body, headers) for headers in ({}, as_user("bob"), as_user("carl"), as_user("erik"),
                                                           as_user("system:serviceaccount:default:sa"))
            for body in ({}, {"spec": {}}, {"spec": {"namespace": "default"}}, {"spec": {"namespace": "nowhere"}},
                         {"metadata": {"name": "n"}, "spec": {"namespace": "default"}})]
REVIEWS += [("POST", AUTHN + "/tokenreviews", body, {}) for body in (
    {}, {"spec": {}}, {"spec": {"token": ""}}, {"spec": {"token": "nonsense"}}, {"spec": {"token": "a.b.c"}},
    {"metadata": {"name": "n"}, "spec": {"token": "x"}}, {"metadata": {"namespace": "n"}, "spec": {"token": "x"}},
    {"spec": {"token": "x", "audiences": ["a"]}}, {"status": {"authenticated": True}, "spec": {"token": "x"}},
    {"spec": {"token": 5}})]
REVIEWS += [("POST", AUTHN + "/selfsubjectreviews", body, {}) for body in (
    {"metadata": {"name": "n"}}, {"metadata": {"namespace": "n"}}, {"status": {"userInfo": {"username": "x"}}})]
REVIEWS += [("POST", path + query, body, {})
            for path, body in ((SAR, access(verb="get", resource="pods")), (SELF, {"spec": {
                "resourceAttributes": {"verb": "get", "resource": "pods"}}}),
                               (AUTHN + "/tokenreviews", {"spec": {"token": "x"}}), (AUTHN + "/selfsubjectreviews", {}),
                               (RULES, {"spec": {"namespace": "default"}}), (LOCAL, access(
                                   verb="get", resource="pods", namespace="default")))
            for query in ("?dryRun=All", "?dryRun=odd", "?fieldManager=x", "?fieldValidation=Strict", "?pretty=true")]
REVIEWS += [(method, path, {}, headers) for headers in ({}, as_user("bob"))
            for path in (SAR, SELF, LOCAL, RULES, AUTHN + "/tokenreviews", AUTHN + "/selfsubjectreviews")
            for method in ("GET", "PUT", "DELETE", "PATCH")]
REVIEWS += [("POST", path, {}, as_user("bob")) for path in (SAR, LOCAL, AUTHN + "/tokenreviews",
                                                             AUTHZ + "/namespaces/default/subjectaccessreviews",
                                                             AUTHZ + "/localsubjectaccessreviews")]


def token_case(spec, account="sa", metadata=None, query=""):
    body = {"spec": spec} if spec is not None else {}
    if metadata:
        body["metadata"] = metadata
    return "POST", f"{ACCOUNTS}/{account}/token{query}", body, {}


def reference(**ref):
    return {"boundObjectRef": ref}


TOKENS = [token_case(spec) for spec in (
    None, {}, {"audiences": []}, {"audiences": ["a", "b"]}, {"audiences": [""]}, {"audiences": ["a", "a"]},
    {"expirationSeconds": 600},
    {"expirationSeconds": 599}, {"expirationSeconds": 0}, {"expirationSeconds": -5}, {"expirationSeconds": 3607},
    {"expirationSeconds": 1 << 32}, {"expirationSeconds": (1 << 32) + 1}, {"expirationSeconds": 86400},
    {"expirationSeconds": 90000}, {"expirationSeconds": "x"},
    reference(), reference(kind="Pod"), reference(kind="Pod", apiVersion="v1"),
    reference(kind="Pod", apiVersion="v1", name="of-sa"), reference(kind="Pod", apiVersion="v1", name="none"),
    reference(kind="Pod", apiVersion="v1", name="of-sa", uid="wrong"),
    reference(kind="Pod", apiVersion="apps/v1", name="of-sa"), reference(kind="pod", apiVersion="v1", name="of-sa"),
    reference(kind="Secret", apiVersion="v1", name="s1"), reference(kind="Secret", apiVersion="v1", name="none"),
    reference(kind="Secret", apiVersion="v1", name="s1", uid="wrong"),
    reference(kind="Node", apiVersion="v1", name="n1"), reference(kind="Node", apiVersion="v1", name="none"),
    reference(kind="Node", apiVersion="v1", name="n1", uid="wrong"),
    reference(kind="ConfigMap", apiVersion="v1", name="x"), reference(kind="Deployment", apiVersion="apps/v1", name="x"),
    {**reference(kind="Odd", apiVersion="v1", name="x"), "expirationSeconds": 5})]
TOKENS += [token_case({}, "none"), token_case({}, "default", {"name": "sa"}), token_case({}, "sa", {"name": "sa"}),
           token_case({}, "sa", {"name": "other"}), token_case({}, "sa", {"namespace": "other"}),
           token_case({}, "sa", {"namespace": "default"}), token_case({}, "sa", {"generateName": "x"}),
           token_case({}, "sa", {"uid": "x", "labels": {"a": "b"}}),
           token_case({}, "sa", None, "?dryRun=All"), token_case({}, "sa", None, "?fieldManager=x"),
           token_case(reference(kind="Pod", apiVersion="v1", name="of-sa"), "default"),
           ("GET", ACCOUNTS + "/sa/token", None, {}), ("PUT", ACCOUNTS + "/sa/token", {}, {}),
           ("POST", ACCOUNTS + "/sa/token", {}, as_user("bob")),
           ("POST", ACCOUNTS + "/sa/token", {"kind": "Pod", "apiVersion": "v1"}, {}),
           ("POST", ACCOUNTS + "/sa/token", {"kind": "TokenRequest", "apiVersion": "v1"}, {}),
           ("POST", "/api/v1/namespaces/none/serviceaccounts/sa/token", {}, {})]


GRANTS = [("POST", path, body, as_user(user)) for user in ("carl", "dora", "bob") for path, body in (
    (RBAC + "/clusterroles", role("g1", rule(["get"], [""], ["pods"]))),
    (RBAC + "/clusterroles", role("g2", rule(["delete"], [""], ["pods"]))),
    (RBAC + "/clusterroles", role("g3", rule(["get", "delete", "list"], ["", "apps"], ["pods", "nodes"]))),
    (RBAC + "/clusterroles", role("g4", rule(["*"], ["*"], ["*"]), rule(["get"], paths=["/metrics"]))),
    (RBAC + "/clusterroles", role("g5", rule(["get"], [""], ["pods", "secrets"], ["a", "b"]))),
    (RBAC + "/clusterroles", role("g6", rule(["get"], [""], ["pods"]), rule(["get"], [""], ["configmaps", "pods"]))),
    (RBAC + "/clusterroles", role("g7", rule(["get"], paths=["/healthz", "/api/*", "/x/*"]))),
    (RBAC + "/clusterroles", role("g8", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]})),
    (RBAC + "/clusterroles", role("g9")),
    (IN_NS + "/roles", role("h1", rule(["get"], [""], ["pods"]))),
    (IN_NS + "/roles", role("h2", rule(["delete"], [""], ["pods"]))),
    (IN_NS + "/roles", role("h3", rule(["get"], [""], ["secrets"], ["s1"]))),
    (IN_NS + "/roles", role("h4", rule(["get"], [""], ["secrets"], ["s1", "s2"]))),
    (IN_NS + "/roles", role("h5", rule(["get"], [""], ["*/scale", "pods/log"]))),
    (IN_NS + "/roles", role("free", rule(["delete"], [""], ["pods"]))),
    (IN_NS + "/roles", role("h6", rule(["get", "list", "watch"], ["", "apps", "batch"], ["pods", "jobs"]))),
    (IN_NS + "/rolebindings", binding("b1", "ClusterRole", "reader", subject("User", "x"))),
    (IN_NS + "/rolebindings", binding("b2", "ClusterRole", "writer", subject("User", "x"))),
    (IN_NS + "/rolebindings", binding("b3", "ClusterRole", "none", subject("User", "x"))),
    (IN_NS + "/rolebindings", binding("b4", "Role", "own", subject("User", "x"))),
    (IN_NS + "/rolebindings", binding("b5", "Role", "none", subject("User", "x"))),
    (IN_NS + "/rolebindings", binding("b6", "ClusterRole", "impersonator", subject("Group", "x"))),
    (RBAC + "/clusterrolebindings", binding("c1", "ClusterRole", "reader", subject("User", "x"))),
    (RBAC + "/clusterrolebindings", binding("c2", "ClusterRole", "writer", subject("User", "x"))),
    (RBAC + "/clusterrolebindings", binding("c3", "ClusterRole", "none", subject("User", "x"))),
)]
MERGE = {"Content-Type": "application/merge-patch+json"}
GRANTS += [(method, path, body, {**as_user(user), **(MERGE if method == "PATCH" else {})})
           for user in ("carl", "dora") for method, path, body in (
    ("PATCH", RBAC + "/clusterroles/reader", {"rules": [rule(["*"], [""], ["pods"])]}),
    ("PATCH", RBAC + "/clusterroles/reader", {"metadata": {"labels": {"a": "b"}}}),
    ("PATCH", RBAC + "/clusterroles/writer", {"rules": [rule(["get"], [""], ["pods"])]}),
    ("PATCH", RBAC + "/clusterroles/writer?dryRun=All", {"rules": [rule(["*"], ["*"], ["*"])]}),
    ("PATCH", RBAC + "/clusterroles/writer", {"metadata": {"labels": {
        "rbac.authorization.k8s.io/aggregate-to-view": "true"}}}),
    ("PATCH", RBAC + "/clusterroles/gatherer", {"aggregationRule": {"clusterRoleSelectors": [{}]}}),
    ("PATCH", RBAC + "/clusterroles/gatherer", {"aggregationRule": None}),
    ("PATCH", IN_NS + "/roles/own", {"rules": [rule(["get"], [""], ["secrets"])]}),
    ("PATCH", IN_NS + "/roles/own", {"rules": [rule(["get"], [""], ["secrets"], ["s1"])]}),
    ("PATCH", RBAC + "/clusterrolebindings/gone", {"subjects": [subject("User", "y")]}),
    ("PATCH", RBAC + "/clusterrolebindings/gone", {"metadata": {"labels": {"a": "b"}}}),
    ("PATCH", IN_NS + "/rolebindings/own", {"subjects": [subject("User", "carl"), subject("User", "y")]}),
    ("PATCH", IN_NS + "/rolebindings/own", {"subjects": [subject("User", "carl")]}),
    ("PATCH", IN_NS + "/rolebindings/own", {"roleRef": {"name": "other"}}))]
GRANTS += [(method, path, body, MERGE if method == "PATCH" else {}) for method, path, body in (
    ("POST", RBAC + "/clusterroles", role("v1", rule([], [""], ["pods"]))),
    ("POST", RBAC + "/clusterroles", role("v2", rule(["get"]))),
    ("POST", RBAC + "/clusterroles", role("v3", rule(["get"], [""]))),
    ("POST", RBAC + "/clusterroles", role("v4", rule(["get"], None, ["pods"]))),
    ("POST", RBAC + "/clusterroles", role("v5", rule(["get"], [""], ["pods"], None, ["/x"]))),
    ("POST", RBAC + "/clusterroles", role("v6", rule(["get"], None, None, ["n"], ["/x"]))),
    ("POST", RBAC + "/clusterroles", role("v7", rule(["get"], paths=["x"]))),
    ("POST", RBAC + "/clusterroles", role("v8", rule(["get"], paths=[""]))),
    ("POST", RBAC + "/clusterroles", role("v9", aggregationRule={})),
    ("POST", RBAC + "/clusterroles", role("v10", aggregationRule={"clusterRoleSelectors": [{}]})),
    ("POST", RBAC + "/clusterroles", role("v11", aggregationRule={"clusterRoleSelectors": [
        {"matchExpressions": [{"key": "a", "operator": "Odd"}]}]})),
    ("POST", RBAC + "/clusterroles", role("a/b")), ("POST", RBAC + "/clusterroles", role("a:b%c")),
    ("POST", RBAC + "/clusterroles", role("..")), ("POST", RBAC + "/clusterroles", role("UPPER and blank")),
    ("POST", RBAC + "/clusterroles", {}),
    ("POST", IN_NS + "/roles", role("v1", rule(["get"], paths=["/x"]))),
    ("POST", IN_NS + "/roles", role("v2", rule([]))),
    ("POST", IN_NS + "/roles", {"metadata": {"name": "v3"}, "rules": None}),
    ("POST", IN_NS + "/rolebindings", binding("w1", "Odd", "x", subject("User", "x"))),
    ("POST", IN_NS + "/rolebindings", binding("w2", "Role", "", subject("User", ""))),
    ("POST", IN_NS + "/rolebindings", binding("w3", "Role", "a/b", subject("Odd", "x"))),
    ("POST", IN_NS + "/rolebindings", binding("w4", "Role", "x", subject("ServiceAccount", "x"))),
    ("POST", IN_NS + "/rolebindings", binding("w5", "Role", "x", subject("ServiceAccount", "A_b", "default"))),
    ("POST", IN_NS + "/rolebindings", binding("w6", "Role", "x", {"kind": "User", "name": "x", "apiGroup": "odd"})),
    ("POST", IN_NS + "/rolebindings", binding("w7", "Role", "x", {"kind": "ServiceAccount", "name": "x",
                                                                 "apiGroup": "odd", "namespace": "d"})),
    ("POST", IN_NS + "/rolebindings", binding("w8", "Role", "x", {"kind": "User", "name": "x", "namespace": "d"})),
    ("POST", IN_NS + "/rolebindings", {"metadata": {"name": "w9"}}),
    ("POST", IN_NS + "/rolebindings", {"metadata": {"name": "w10"}, "roleRef": {"kind": "Role", "name": "x"}}),
    ("POST", IN_NS + "/rolebindings", {"metadata": {"name": "w11"}, "roleRef": {
        "kind": "Role", "name": "x", "apiGroup": "odd"}}),
    ("POST", IN_NS + "/rolebindings", {"metadata": {"name": "w12"}, "subjects": [{"kind": "User", "name": "x"}],
                                       "roleRef": {"kind": "ClusterRole", "name": "x"}}),
    ("POST", RBAC + "/clusterrolebindings", binding("w1", "Role", "x", subject("User", "x"))),
    ("POST", RBAC + "/clusterrolebindings", binding("w2", "ClusterRole", "x", subject("ServiceAccount", "x"))),
    ("POST", RBAC + "/clusterrolebindings", {"metadata": {"name": "w3"}, "roleRef": {}}),
    ("PATCH", IN_NS + "/rolebindings/own", {"roleRef": {"name": "other"}}),
    ("PATCH", RBAC + "/clusterrolebindings/carl", {"roleRef": {"name": "other"}}),
    ("PATCH", RBAC + "/clusterrolebindings/carl", {"subjects": [{"kind": "Odd"}]}),
    ("PATCH", RBAC + "/clusterroles/reader", {"rules": [{}]}))]

REFUSED = [("GET", PODS, None, as_user("erik")), ("GET", "/x", None, as_user("erik"))]
REFUSED += [(method, path, body, as_user("bob")) for method, path, body in (
    ("GET", PODS, None), ("GET", PODS + "/x", None), ("GET", PODS + "?watch=true", None), ("POST", PODS, {}),
    ("PUT", PODS + "/x", {}), ("DELETE", PODS, None), ("DELETE", PODS + "/x", None), ("GET", PODS + "/x/log", None),
    ("POST", PODS + "/x/exec", None), ("GET", PODS + "/x/exec", None), ("POST", PODS + "/x/eviction", {}),
    ("POST", PODS + "/x/binding", {}), ("GET", "/api/v1/pods", None), ("GET", "/api/v1/namespaces", None),
    ("GET", "/api/v1/namespaces/default", None), ("PUT", "/api/v1/namespaces/default/finalize", {}),
    ("PUT", "/api/v1/namespaces/default/status", {}), ("POST", "/api/v1/namespaces", {}),
    ("GET", "/apis/apps/v1/namespaces/default/deployments/d/scale", None),
    ("PUT", "/apis/apps/v1/namespaces/default/deployments/d/status", {}),
    ("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", None), ("GET", "/metrics", None),
    ("GET", "/", None), ("GET", "/nothing/here", None), ("POST", "/nothing", {}),
    ("GET", "/healthz", None), ("GET", "/livez", None), ("GET", "/version", None), ("PUT", "/healthz", {}),
    ("GET", "/api/v1/nodes/n1/proxy/x", None), ("GET", "/api/v1/nothing", None), ("GET", "/apis/odd/v1/x", None),
    ("GET", "/api/v1/namespaces/default/pods/", None), ("HEAD", PODS, None),
    ("GET", PODS + "?fieldSelector=metadata.name%3Dx", None),
    ("GET", PODS + "?watch=1&fieldSelector=metadata.name%3Dx", None),
    ("DELETE", PODS + "?fieldSelector=metadata.name%3Dx", None))]

ADMISSION = [("POST", PODS, body, {}) for body in (
    pod("a1"), pod("a2", priorityClassName="high"), pod("a3", priorityClassName="none"), pod("a4", priority=5),
    pod("a5", priorityClassName="high", priority=5), pod("a6", priorityClassName="high", priority=1000),
    pod("a7", priority=0), pod("a8", priorityClassName="system-node-critical"),
    pod("a9", preemptionPolicy="Never"), pod("a10", preemptionPolicy="PreemptLowerPriority"),
    pod("a11", priorityClassName="high", preemptionPolicy="PreemptLowerPriority"),
    pod("a12", priorityClassName="high", preemptionPolicy="Never"), pod("a13", preemptionPolicy="Odd"),
    pod("b1", serviceAccountName="none"), pod("b2", serviceAccountName="quiet"), pod("b3", serviceAccount="sa"),
    pod("b4", serviceAccountName="sa", serviceAccount="quiet"),
    pod("b5", serviceAccountName="quiet", automountServiceAccountToken=True),
    pod("b6", automountServiceAccountToken=False), pod("b7", serviceAccountName="quiet",
                                                      imagePullSecrets=[{"name": "own"}]),
    pod("b8", serviceAccountName="Bad_Name"),
    pod("b9", volumes=[{"name": "kube-api-access-own", "emptyDir": {}}]),
    pod("b10", initContainers=[{"name": "i", "image": "i", "volumeMounts": [
        {"name": "v", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]}],
        volumes=[{"name": "v", "emptyDir": {}}]),
    pod("c1", tolerations=[{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}]),
    pod("c2", tolerations=[{"operator": "Exists"}]),
    pod("c3", tolerations=[{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoSchedule"}]),
    pod("c4", tolerations=[{"key": "node.kubernetes.io/unreachable", "operator": "Equal", "value": "x",
                            "effect": "NoExecute"}]),
    pod("c5", tolerations=[{"operator": "Exists", "effect": "NoSchedule"}]),
    pod("c6", tolerations=[{"key": "x", "operator": "Exists", "tolerationSeconds": 5, "effect": "NoExecute"}]),
    pod("c7", nodeName="n1"), pod("c8", nodeName="none"),
    {"metadata": {"name": "d1", "annotations": {"kubernetes.io/config.mirror": "x"}},
     "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}},
    {"metadata": {"name": "d2", "annotations": {"kubernetes.io/config.mirror": "x"}},
     "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1", "serviceAccountName": "sa"}},
    {"metadata": {"name": "d3", "labels": {"topology.kubernetes.io/zone": "own"}},
     "spec": {"containers": [{"name": "c", "image": "i"}]}},
    {"metadata": {"name": "d4", "labels": {"topology.kubernetes.io/zone": "own"}},
     "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}})]


def bind(name, node="n1", **more):
    return "POST", f"{PODS}/{name}/binding", {"metadata": {"name": name, **more}, "target": {
        "kind": "Node", "name": node}}, {}


ADMISSION += [bind("a1"), ("GET", PODS + "/a1", None, {}), bind("d3"), ("GET", PODS + "/d3", None, {}),
              bind("a2", "none"), ("GET", PODS + "/a2", None, {}), bind("a1"), bind("a7", annotations={"k": "v"}),
              ("GET", PODS + "/a7", None, {})]
ADMISSION += [("POST", path, body, {}) for path, body in (
    ("/api/v1/namespaces/none/pods", pod("x")), ("/api/v1/namespaces/none/configmaps", {"metadata": {"name": "x"}}),
    ("/apis/apps/v1/namespaces/none/deployments", {"metadata": {"name": "x"}}),
    ("/api/v1/namespaces/none/configmaps?dryRun=All", {"metadata": {"name": "x"}}),
    ("/api/v1/namespaces/ending/configmaps", {"metadata": {"name": "y"}}),
    ("/api/v1/namespaces/ending/pods", pod("y")),
    ("/apis/apps/v1/namespaces/ending/deployments", {"metadata": {"name": "x"}}),
    ("/api/v1/namespaces/ending/events", {"metadata": {"name": "e"}, "involvedObject": {"namespace": "ending"}}),
    ("/apis/coordination.k8s.io/v1/namespaces/ending/leases", {"metadata": {"name": "x"}}),
    ("/apis/authorization.k8s.io/v1/namespaces/ending/localsubjectaccessreviews",
     access(verb="get", resource="pods", namespace="ending")),
    ("/api/v1/namespaces/ending/serviceaccounts/default/token", {}),
    ("/api/v1/namespaces", {"metadata": {"name": "ending"}}),
    ("/api/v1/nodes", {"metadata": {"name": "t1"}}),
    ("/api/v1/nodes", {"metadata": {"name": "t2"}, "spec": {"taints": [{
        "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]}}),
    ("/api/v1/nodes", {"metadata": {"name": "t3"}, "spec": {"taints": [{
        "key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}, {"key": "x", "effect": "NoSchedule"}]}}),
    (CLASSES, {"metadata": {"name": "p1"}, "value": 5}),
    (CLASSES, {"metadata": {"name": "p2"}}), (CLASSES, {"metadata": {"name": "p3"}, "value": 2000000000}),
    (CLASSES, {"metadata": {"name": "p4"}, "value": 1000000000}),
    (CLASSES, {"metadata": {"name": "p5"}, "value": 1000000001}),
    (CLASSES, {"metadata": {"name": "system-x"}, "value": 1}),
    (CLASSES, {"metadata": {"name": "p6"}, "value": -2147483648}),
    (CLASSES, {"metadata": {"name": "g1"}, "value": 7, "globalDefault": True}),
    (CLASSES, {"metadata": {"name": "g2"}, "value": 9, "globalDefault": True}),
    (PODS, pod("e1")), (PODS, pod("e2", priority=0)), (PODS, pod("e3", priority=7)))]
ADMISSION += [(method, path, body, MERGE if method == "PATCH" else {}) for method, path, body in (
    ("PATCH", CLASSES + "/p1", {"globalDefault": True}), ("PATCH", CLASSES + "/p1", {"value": 6}),
    ("PATCH", CLASSES + "/p1", {"preemptionPolicy": "Never"}), ("PATCH", CLASSES + "/p1", {"description": "d"}),
    ("PATCH", CLASSES + "/g1", {"globalDefault": False}), ("DELETE", CLASSES + "/system-node-critical", None),
    ("DELETE", CLASSES + "/g1", None), ("POST", PODS, pod("e4")),
    ("PATCH", PODS + "/a2", {"spec": {"preemptionPolicy": "Never"}}),
    ("DELETE", "/api/v1/namespaces/default", None), ("DELETE", "/api/v1/namespaces/kube-system", None),
    ("DELETE", "/api/v1/namespaces/kube-public", None), ("DELETE", "/api/v1/namespaces/none", None),
    ("DELETE", "/api/v1/namespaces/kube-system?dryRun=All", None),
    ("DELETE", "/api/v1/namespaces/ending/configmaps/x", None),
    ("GET", "/api/v1/namespaces/none/pods", None), ("GET", "/api/v1/namespaces/none/pods/x", None),
    ("PUT", "/api/v1/namespaces/none/configmaps/x", {"metadata": {"name": "x"}}),
    ("PATCH", "/api/v1/namespaces/none/configmaps/x", {"metadata": {"labels": {"a": "b"}}}),
    ("PATCH", "/api/v1/namespaces/ending/configmaps/x", {"metadata": {"labels": {"a": "b"}}}))]

# Differences that are known: why, and of which requests (a part of the headers' text, if it is of some only).
KNOWN = [
    ("health is told to whoever asks, with a bad token or by another method too", "/healthz", "Authorization"),
    ("health is told to whoever asks, with a bad token or by another method too", "/healthz", "", "POST", "PUT"),
    ("metadata.generation of a PriorityClass counts all its changes", CLASSES + "/", "merge-patch"),
]


def is_known(method, path, headers):
    return any(path.startswith(prefix) and header in str(headers) and (not methods or method in methods)
               for _, prefix, header, *methods in KNOWN)


KNOWN_ROLES = {
    "clusterroles": {
        "/admin": "filled at once, where a real one waits for its controller", "/edit": "as admin", "/view": "as admin",
        "/system:node": "gives no Secrets and ConfigMaps to all nodes: the node authorizer names them one by one",
        "/operon:aggregate-to-view": "Operon's own kinds", "/operon:aggregate-to-edit": "Operon's own kinds",
        "/system:aggregated-metrics-reader": "comes with metrics-server, which is built in"},
    "clusterrolebindings": {"/system:node": "bound, as what it gives is less"},
}

VERBS = ["get", "list", "watch", "create", "delete", "*", "use"]
GROUPS = ["", "apps", "*", "batch", "example.com"]
RESOURCES = ["pods", "pods/log", "*", "*/scale", "deployments/scale", "deployments", "pods/*", "secrets", "*/*"]
NAMES = ["a", "b", "*", "a/b", ""]
URLS = ["/healthz", "/metrics", "*", "/a/*", "/a", "/a/b", "/a*", "/"]
SUBJECTS = [("User", "u1"), ("User", "u2"), ("User", "*"), ("Group", "g1"), ("Group", "g2"),
            ("ServiceAccount", "s1"), ("ServiceAccount", "s2"), ("User", "system:serviceaccount:default:s2"),
            ("Group", "system:serviceaccounts:other")]
SPACES = ["default", "kube-public", "other"]


def some(rng, words, most=2):
    return rng.sample(words, rng.randint(1, most))


def random_rule(rng, has_paths):
    if has_paths and rng.random() < .3:
        return rule(some(rng, VERBS), paths=[u for u in some(rng, URLS) if u.startswith("/") or u == "*"])
    names = some(rng, NAMES) if rng.random() < .3 else None
    return rule(some(rng, VERBS), some(rng, GROUPS), some(rng, RESOURCES), names)


def random_subject(rng, namespace):
    kind, name = rng.choice(SUBJECTS)
    return subject(kind, name, namespace if kind == "ServiceAccount" else None)


def random_question(rng):
    kind, name = rng.choice(SUBJECTS[:-1])
    user = f"system:serviceaccount:{rng.choice(SPACES)}:{name}" if kind == "ServiceAccount" else name
    who = {"groups": [name, "x"]} if kind == "Group" else {"user": user}
    if rng.random() < .2:
        who["groups"] = ["g2", "system:serviceaccounts:other"]
    if rng.random() < .25:
        return {**who, "nonResourceAttributes": {"path": rng.choice(URLS + ["/a/b/c", "/ab"]), "verb": rng.choice(VERBS)}}
    whole = rng.choice(RESOURCES)
    resource, _, sub = whole.partition("/")
    asked = {"verb": rng.choice(VERBS), "group": rng.choice(GROUPS), "resource": resource, "subresource": sub,
             "name": rng.choice(NAMES), "namespace": rng.choice([*SPACES, ""])}
    return {**who, "resourceAttributes": {k: v for k, v in asked.items() if v}}
