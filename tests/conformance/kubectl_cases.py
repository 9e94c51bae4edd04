"""kubectl commands, by group: each group runs in a namespace of its own, one command after the other.

FILES lie in the working folder. EXPECTED names the commands whose output may differ, and why."""


def lines(text):
    """A command a line; a line that ends with a backslash goes on."""
    return [line.strip() for line in text.replace("\\\n", "").splitlines() if line.strip()]


KINDS = """pods services endpoints endpointslices nodes namespaces secrets configmaps serviceaccounts deployments
replicasets hpa poddisruptionbudgets events events.v1.events.k8s.io leases roles rolebindings clusterroles
clusterrolebindings priorityclasses crd widgets plains""".split()

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: c, image: "img:1", ports: [{containerPort: 80}]}
"""
CM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm, labels: {app: web}}\ndata: {a: '1', b: '2'}\n"
FILES = {
    "web.yaml": WEB, "web2.yaml": WEB.replace("img:1", "img:2").replace("replicas: 2", "replicas: 3"),
    "web-selector.yaml": WEB.replace("matchLabels: {app: web}", "matchLabels: {app: other}"),
    "web-bad.yaml": WEB.replace("replicas: 2", "replicas: two"),
    "web-unknown.yaml": WEB.replace("replicas: 2", "replica: 2"),
    "web-negative.yaml": WEB.replace("replicas: 2", "replicas: -2"),
    "web-missing.yaml": WEB.replace("      - {name: c, image: \"img:1\", ports: [{containerPort: 80}]}", "      - {name: c}"),
    "cm.yaml": CM, "cm2.yaml": CM.replace("a: '1'", "a: '9'"), "cm-less.yaml": CM.replace(", b: '2'", ""),
    "cm-bad.yaml": CM.replace("'1'", "1"), "cm-dup.yaml": CM.replace("a: '1'", "a: '1', a: '2'"),
    "svc.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n",
    "dir/one.yaml": CM.replace("name: cm", "name: one"), "dir/two.yaml": CM.replace("name: cm", "name: two"),
    "dir1/one.yaml": CM.replace("name: cm", "name: one"),
    "pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: p}}\n"
                "spec: {containers: [{name: c, image: 'img:1'}]}\n",
    "pod-changed.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: p}}\n"
                        "spec: {containers: [{name: c, image: 'img:1', command: [x]}]}\n",
    "generate.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: gen-}\n",
    "unknown-kind.yaml": "apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n",
    "no-kind.yaml": "metadata: {name: x}\n", "broken.yaml": "a: [\n",
    "widget.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 2}\n",
    "widget-bad.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: wb}\nspec: {size: 0, colour: green, x: 1}\n",
    "widget-type.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: wt}\nspec: {size: big}\n",
    "widget-none.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: wn}\n",
    "rbac.yaml": """apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: rr}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: rb}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: rr}
subjects: [{kind: User, name: u, apiGroup: rbac.authorization.k8s.io}]
""",
    "data.txt": "one\ntwo\n", "data.env": "A=1\nB=2\n", "bin.dat": "\x00\x01",
    "edit.sh": "#!/bin/sh\nsed -i 's/img:1/img:7/; s/a: \"1\"/a: \"7\"/' \"$1\"\n",
    "edit-none.sh": "#!/bin/sh\n:\n", "edit-bad.sh": "#!/bin/sh\nsed -i 's/replicas: .*/replicas: -1/' \"$1\"\n",
    "patch.yaml": "data: {p: file}\n",
}

GROUPS = {
    "look": lines("""
kubectl version
kubectl version -o yaml | grep -v -e gitCommit -e buildDate -e goVersion -e compiler
kubectl api-versions | grep -e '^v1$' -e apps -e example -e rbac -e autoscaling -e policy -e events -e discovery
kubectl cluster-info
kubectl get --raw /api/v1/namespaces/show/configmaps/cm
kubectl get --raw /version | grep -e major -e minor
kubectl get --raw /nothing
kubectl get --raw /healthz
kubectl get --raw '/readyz?verbose' | tail -1
kubectl auth whoami
kubectl get pods
kubectl get pods,svc
kubectl get all
kubectl get nothing
kubectl get pods/x configmaps/y
kubectl get pod x y
kubectl get pods.v2
kubectl get deploy.apps
kubectl get deployments.v1.apps
kubectl get pods -n none
kubectl get pods -o nothing
kubectl get pods --sort-by=.metadata.name -n show
kubectl get
kubectl get pods x -l a=b
kubectl get pods --field-selector=a=b
kubectl get cm --field-selector=spec.x=1
kubectl get pods -l 'a in (b'
kubectl get -f web.yaml
kubectl get -f nothing.yaml
kubectl get pods --chunk-size=-1
kubectl get pod rich -n show --subresource=status -o jsonpath='{.status.phase}'
kubectl get deploy complete -n show --subresource=scale
kubectl get rs alone -n show --subresource=scale -o yaml
kubectl get deploy complete -n show --subresource=status
kubectl get widgets w1 -n show --subresource=scale
kubectl get widgets w1 -n show --subresource=status
kubectl get cm cm -n show --subresource=status
kubectl get cm cm -n show --subresource=nothing
"""),
    "tables": [f"kubectl get {kind} -n show {more}" for kind in KINDS for more in ("", "-o wide")],
    "wide": lines("""
kubectl get all -n show
kubectl get shop -n show
kubectl get pods -n show --show-labels
kubectl get pods -n show -L app,l --no-headers
kubectl get pods -n show --show-kind
kubectl get pods,svc,nodes -n show --show-kind --label-columns=app
kubectl get pods -A
kubectl get widgets,deploy,events -A -o wide
kubectl get deploy -A --chunk-size=2
kubectl get pods -n show -l app=web
kubectl get pods -n show -l 'app in (web,x),app!=y,!zzz'
kubectl get svc -n show -l l
kubectl get pods -n show --field-selector=status.phase=Running,spec.nodeName=n1
kubectl get pods -n show --field-selector=metadata.name!=rich,status.phase!=Running
kubectl get nodes --field-selector=spec.unschedulable=true
kubectl get svc -n show --field-selector=spec.type=NodePort
kubectl get svc -n show --field-selector=spec.clusterIP=None
kubectl get events -n show --field-selector=type=Warning,involvedObject.name=running
kubectl get events -n show --field-selector=reason=Started,source=x
kubectl get secrets -n show --field-selector=type=kubernetes.io/tls
kubectl get rs -n show --field-selector=status.replicas=3
kubectl get ns --field-selector=status.phase=Active -l team
kubectl get crd -o name
kubectl get pods -n show --sort-by='{.status.phase}'
kubectl get pods -n show --sort-by='.status.containerStatuses[0].restartCount'
kubectl get svc -n show --sort-by=.spec.type -o name
kubectl get pods -n show --sort-by=.nothing
kubectl get pods -n show -o name
kubectl get pods,deploy,widgets -n show -o name
kubectl get pods -n show -o custom-columns=N:.metadata.name,P:.status.phase,I:.spec.containers[*].image
kubectl get pods -n show -o custom-columns-file=nothing
kubectl get pods -n show -o jsonpath='{range .items[*]}{.metadata.name}{"\\\\t"}{.status.phase}{"\\\\n"}{end}'
kubectl get pods -n show -o go-template='{{range .items}}{{.metadata.name}} {{end}}'
kubectl get pods -n show -o jsonpath='{.items[?(@.status.phase=="Failed")].metadata.name}'
kubectl get pod rich -n show -o jsonpath-as-json='{.spec.containers[*].env}'
kubectl get pod rich -n show -o kyaml
kubectl get pods rich running -n show -o jsonpath='{.kind} {.items[*].kind}'
kubectl get pods -n show --server-print=false
kubectl get deploy,svc,nodes -n show --server-print=false -o wide
kubectl get pod rich -n show --output-watch-events -w --request-timeout=1
kubectl get pods -n show -l app=web -w --request-timeout=1
kubectl get events -n show --sort-by=.lastTimestamp
kubectl events -n show
kubectl events -n show --for pod/running
kubectl events -n show --types=Warning
kubectl events -n show --types=Odd
kubectl events -A -o name
kubectl get pods -n show rich no-such-pod
kubectl get pods -n show rich --ignore-not-found no-such
kubectl get pod/rich svc/cluster -n show
kubectl get pod rich -n show -o wide --show-managed-fields -o name
"""),
    "yaml": [f"kubectl get {kind} -n show -o yaml | grep -v 'cluster: \"\"'"
             for kind in KINDS if kind not in ("namespaces", "clusterroles", "clusterrolebindings", "leases")] + lines("""
kubectl get pod rich -n show -o json
kubectl get clusterrole urls summed -o yaml
kubectl get ns plain -o yaml
kubectl get lease held -n show -o json
"""),
    "describe": [f"kubectl describe {kind} -n show" for kind in KINDS
                 if kind not in ("namespaces", "clusterroles", "clusterrolebindings", "leases", "events.v1.events.k8s.io")] + lines("""
kubectl describe ns plain show
kubectl describe clusterrole urls summed
kubectl describe clusterrolebinding all-urls
kubectl describe lease -n show
kubectl describe pod no-such -n show
kubectl describe pod -n show -l app=web
kubectl describe pod run -n show
kubectl describe nothing
kubectl describe -f web.yaml
kubectl describe pod running -n show --show-events=false
kubectl describe pods -A | grep ^Name:
"""),
}
EXPECTED = {}
