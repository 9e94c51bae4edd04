"""kubectl commands, by group: each group runs in a namespace of its own, one command after the other.

FILES lie in the working folder. EXPECTED names the commands whose output may differ, and why."""


def lines(text):
    """A command a line; a line that ends with a backslash goes on."""
    return [line.strip() for line in text.replace("\\\n", "").splitlines() if line.strip()]


KINDS = """pods services endpoints endpointslices nodes namespaces secrets configmaps serviceaccounts deployments
replicasets hpa poddisruptionbudgets events events.v1.events.k8s.io leases roles rolebindings clusterroles
clusterrolebindings priorityclasses crd widgets plains""".split()

SERVED = """Binding ConfigMap Endpoints Event Namespace Node Pod Secret ServiceAccount Service
CustomResourceDefinition Deployment ReplicaSet TokenReview LocalSubjectAccessReview SelfSubjectAccessReview
SelfSubjectRulesReview SelfSubjectReview SubjectAccessReview HorizontalPodAutoscaler Lease EndpointSlice
PodDisruptionBudget ClusterRole ClusterRoleBinding Role RoleBinding PriorityClass""".replace("\n", " ").replace(" ", "|")

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
    # types and structure: a server need not have the descriptions
    "explain.sh": "#!/bin/bash\nset -o pipefail\nkubectl explain \"$@\" | "
                  "awk '/^[A-Z]+:/ {part = $1} /\\t</ || /^[A-Z]+:/ || (part == \"ENUM:\" && NF)'\n",
    # the rows of kinds that both servers have
    "kinds.sh": f"#!/bin/bash\nset -o pipefail\nkubectl api-resources --no-headers \"$@\" | grep -wE '{SERVED}'\n",
    "patch.yaml": "data: {p: file}\n",
}

GROUPS = {
    "look": lines("""
kubectl version
kubectl version -o yaml | grep -v -e gitCommit -e buildDate -e goVersion -e compiler
kubectl api-versions | grep -e '^v1$' -e apps -e example -e rbac -e autoscaling -e policy -e events -e discovery
kubectl cluster-info
kubectl get --raw /api/v1/namespaces/show/configmaps/cm
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
    "apply": lines("""
kubectl apply -f web.yaml
kubectl apply -f web.yaml
kubectl get deploy web -o yaml
kubectl apply view-last-applied deploy/web
kubectl diff -f web2.yaml
kubectl apply -f web2.yaml --dry-run=server
kubectl apply -f web2.yaml --dry-run=client
kubectl apply -f web2.yaml --dry-run=server -o yaml
kubectl apply -f web2.yaml
kubectl get deploy web -o jsonpath='{.spec.replicas} {.metadata.generation}'
kubectl diff -f web2.yaml
kubectl apply -f web-selector.yaml
kubectl apply -f web-bad.yaml
kubectl apply -f web-unknown.yaml
kubectl apply -f web-unknown.yaml --validate=ignore
kubectl apply -f web-unknown.yaml --validate=warn
kubectl apply -f web-negative.yaml
kubectl apply -f web-missing.yaml
kubectl apply -f cm.yaml
kubectl apply -f cm-less.yaml -o yaml
kubectl apply -f cm-bad.yaml
kubectl apply -f cm-dup.yaml
kubectl apply -f generate.yaml
kubectl apply -f unknown-kind.yaml
kubectl apply -f no-kind.yaml
kubectl apply -f broken.yaml
kubectl apply -f nothing.yaml
kubectl apply -f dir
kubectl apply -f dir1 --prune -l app=web --prune-allowlist=core/v1/ConfigMap
kubectl get cm -o name
kubectl apply -f dir --prune --all --prune-allowlist=core/v1/ConfigMap --dry-run=server
kubectl apply -f dir -R
cat cm2.yaml | kubectl apply -f -
kubectl apply -f cm.yaml -n other
kubectl apply -f cm.yaml -n nowhere-at-all
kubectl apply set-last-applied -f cm.yaml
EDITOR=./edit.sh kubectl apply edit-last-applied cm/cm
kubectl create cm bare --from-literal=a=1
kubectl get cm bare -o yaml | sed s/1/2/ | kubectl apply -f -
kubectl apply -f svc.yaml
kubectl apply -f svc.yaml -o yaml --dry-run=server
kubectl apply -f widget.yaml
kubectl apply -f widget-bad.yaml
kubectl apply -f widget-type.yaml
kubectl apply -f widget-none.yaml
kubectl apply -f rbac.yaml
kubectl apply -f pod.yaml
kubectl apply -f pod-changed.yaml
kubectl replace -f pod-changed.yaml
kubectl replace --force -f pod-changed.yaml --grace-period=0
kubectl replace -f nothing-there.yaml
kubectl replace -f cm-less.yaml
kubectl get cm cm -o yaml
kubectl replace -f dir/one.yaml --dry-run=server
kubectl delete -f dir
kubectl replace -f dir
kubectl delete -f cm.yaml --dry-run=server
kubectl delete -f cm.yaml
kubectl delete -f cm.yaml
kubectl delete -f cm.yaml --ignore-not-found
"""),
    "server-side": lines("""
kubectl apply --server-side -f web.yaml
kubectl apply --server-side -f web.yaml -o yaml --show-managed-fields
kubectl apply --server-side -f web2.yaml --field-manager=other
kubectl apply --server-side -f web2.yaml --field-manager=other --force-conflicts
kubectl get deploy web -o yaml --show-managed-fields
kubectl apply --server-side -f web.yaml --dry-run=server
kubectl apply --server-side -f web-bad.yaml
kubectl apply --server-side -f web-unknown.yaml
kubectl apply --server-side -f web-unknown.yaml --validate=ignore
kubectl apply --server-side -f web-negative.yaml
kubectl apply --server-side -f cm-bad.yaml
kubectl apply --server-side -f cm-dup.yaml
kubectl apply --server-side -f generate.yaml
kubectl apply --server-side -f widget-bad.yaml
kubectl apply --server-side -f widget.yaml -o yaml
kubectl diff --server-side -f web2.yaml
kubectl diff --server-side -f web2.yaml --force-conflicts
kubectl apply -f cm.yaml
kubectl apply --server-side -f cm2.yaml
kubectl get cm cm -o yaml --show-managed-fields
kubectl apply -f cm.yaml
kubectl create cm from-create --from-literal=a=1
kubectl get cm from-create -o yaml --show-managed-fields
kubectl label cm from-create x=y --field-manager=labels
kubectl get cm from-create -o yaml --show-managed-fields
"""),
    "create": lines("""
kubectl create cm a --from-literal=a=1 --from-file=data.txt --from-file=k=bin.dat -o yaml
kubectl create cm b --from-env-file=data.env
kubectl create cm a
kubectl create cm 'Bad Name'
kubectl create cm c --from-literal=a
kubectl create cm d --dry-run=server -o yaml
kubectl create cm e --dry-run=client -o yaml
kubectl create cm e --save-config -o yaml
kubectl create secret generic g --from-literal=a=1 --type=example.com/t -o yaml
kubectl create secret docker-registry r --docker-server=x --docker-username=u --docker-password=p
kubectl create secret tls t --cert=nothing --key=nothing
kubectl create secret generic bad --type=kubernetes.io/tls
kubectl create secret generic bad2 --type=kubernetes.io/basic-auth
kubectl create deployment d --image=img:1 --replicas=2 --port=80 -o yaml
kubectl create deployment d --image=img:1
kubectl create deployment two --image=a --image=b -- cmd
kubectl create deployment three
kubectl create deployment cmd --image=a -- sh -c 'sleep 1'
kubectl create deployment Bad --image=a
kubectl create deployment neg --image=a --replicas=-1
kubectl create service clusterip s1 --tcp=80:8080 -o yaml
kubectl create service nodeport s2 --tcp=80 --node-port=31999
kubectl create service nodeport s22 --tcp=80 --node-port=31999
kubectl create service nodeport s23 --tcp=80 --node-port=80
kubectl create service loadbalancer s3 --tcp=80
kubectl create service externalname s4 --external-name=a.b
kubectl create service clusterip s5 --clusterip=None
kubectl create service clusterip s6 --tcp=80 --clusterip=1.2.3.4
kubectl create service clusterip s1 --tcp=80
kubectl create sa x -o yaml
kubectl create ns create-ns -o yaml
kubectl create ns create-ns
kubectl create ns Bad
kubectl create role r --verb=get,list --resource=pods,deployments.apps/scale --resource-name=x -o yaml
kubectl create role r2 --verb=odd --resource=pods
kubectl create role r3 --verb=get --resource=nothing
kubectl create role r4 --resource=pods
kubectl create rolebinding rb --role=r --user=u --group=g --serviceaccount=a:b -o yaml
kubectl create rolebinding rb2
kubectl create rolebinding rb3 --clusterrole=view --serviceaccount=bad
kubectl create clusterrole create-cr --verb=get --resource=nodes --non-resource-url=/x
kubectl create clusterrole create-cr2 --verb=get --non-resource-url=/x -o yaml
kubectl create clusterrole create-cr3 --verb=get --resource=pods --aggregation-rule=a=b
kubectl create clusterrole create-cr4 --aggregation-rule=a=b -o yaml
kubectl create clusterrolebinding create-crb --clusterrole=view --user=u
kubectl create priorityclass create-pc --value=7 --description=x -o yaml
kubectl create priorityclass create-pc2 --value=2000000001
kubectl create priorityclass create-pc3 --value=1 --preemption-policy=Odd
kubectl create pdb b --selector=app=x --min-available=1 -o yaml
kubectl create pdb b2 --selector=app=x --max-unavailable=50%
kubectl create pdb b3 --selector=app=x
kubectl create pdb b4 --selector=app=x --min-available=x
kubectl create token default | wc -l
kubectl create token default --duration=1s
kubectl create token default --duration=20m | wc -l
kubectl create token none
kubectl create token default --bound-object-kind=Pod --bound-object-name=none
kubectl create token default --bound-object-kind=ConfigMap --bound-object-name=a
kubectl create token default --audience=x -o jsonpath='{.spec}'
kubectl create -f cm.yaml
kubectl create -f cm.yaml
kubectl create -f cm-bad.yaml
kubectl create -f cm-dup.yaml
kubectl create -f web-unknown.yaml
kubectl create -f web-bad.yaml
kubectl create -f web-negative.yaml
kubectl create -f web-missing.yaml
kubectl create -f web-selector.yaml
kubectl create -f widget-bad.yaml
kubectl create -f widget-type.yaml
kubectl create -f widget-none.yaml
kubectl create -f generate.yaml | sed 's/gen-...../gen-X/'
kubectl create -f dir
kubectl create -f cm.yaml --raw /api/v1/namespaces/create/configmaps
kubectl create ingress i --rule=a/b=c:80
kubectl create job j --image=a
kubectl create quota q --hard=pods=1
kubectl create nothing
kubectl create
kubectl run p1 --image=img:1 --port=80 --env=A=1 --labels=a=b -o yaml
kubectl run p2 --image=img:1 --restart=Never --command -- sleep 1
kubectl run p1 --image=img:1
kubectl run p3 --image=img:1 --expose --port=80
kubectl run Bad --image=img:1
kubectl run p4
kubectl run p5 --image=img:1 --overrides='{"spec":{"nodeName":"n1","unknown":1}}'
kubectl run p6 --image=img:1 --overrides='{"spec":{"priorityClassName":"none"}}'
kubectl run p7 --image=img:1 --overrides='{"spec":{"serviceAccountName":"none"}}'
"""),
    "change": lines("""
kubectl create -f web.yaml -f cm.yaml -f pod.yaml -f svc.yaml -f widget.yaml
kubectl label cm cm x=y
kubectl label cm cm x=z
kubectl label cm cm x=z --overwrite
kubectl label cm cm x=y
kubectl label cm cm x-
kubectl label cm cm x-
kubectl label cm cm 'bad key=x'
kubectl label cm cm 'k=bad value'
kubectl label cm --all a=b
kubectl label cm -l a=b c=d --list | sort
kubectl label cm none a=b
kubectl label cm cm a=b --resource-version=1
kubectl label cm cm a=b a-
kubectl label pods,svc,deploy --all t=1
kubectl label node n1 kc=1 && kubectl label node n1 kc-
kubectl annotate cm cm note='a b' && kubectl annotate cm cm --list
kubectl annotate cm cm note=x
kubectl annotate cm cm note- other-
kubectl annotate -f cm.yaml z=1 -o yaml
kubectl patch cm cm -p '{"data":{"a":"5"}}'
kubectl patch cm cm -p '{"data":{"a":"5"}}'
kubectl patch cm cm --type=merge -p '{"data":{"b":null}}'
kubectl patch cm cm --type=json -p '[{"op":"add","path":"/data/c","value":"3"}]' -o yaml
kubectl patch cm cm --type=json -p '[{"op":"test","path":"/data/c","value":"4"}]'
kubectl patch cm cm --type=json -p '[{"op":"remove","path":"/data/none"}]'
kubectl patch cm cm --type=json -p '{}'
kubectl patch cm cm -p '{"data":{"a":5}}'
kubectl patch cm cm -p '{'
kubectl patch cm cm -p 'data: {y: "1"}'
kubectl patch cm cm --patch-file=patch.yaml
kubectl patch cm none -p '{}'
kubectl patch cm cm -p '{"metadata":{"name":"x"}}'
kubectl patch cm cm -p '{"metadata":{"resourceVersion":"1"}}'
kubectl patch cm cm -p '{"unknown":1}'
kubectl patch cm cm -p '{"data":{"q":"1"}}' --dry-run=server -o yaml
kubectl patch cm cm -p '{"data":{"q":"1"}}' --dry-run=client -o yaml
kubectl patch deploy web -p '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"img:9"}]}}}}'
kubectl patch deploy web -p '{"spec":{"replicas":-1}}'
kubectl patch deploy web -p '{"spec":{"selector":{"matchLabels":{"x":"y"}}}}'
kubectl patch deploy web --subresource=scale --type=merge -p '{"spec":{"replicas":4}}'
kubectl patch deploy web --subresource=scale --type=merge -p '{"spec":{"replicas":-4}}'
kubectl patch deploy web --subresource=status --type=merge -p '{"status":{"replicas":4,"observedGeneration":3}}'
kubectl patch deploy web --subresource=nothing -p '{}'
kubectl patch widget w -p '{"spec":{"size":3}}'
kubectl patch widget w --type=merge -p '{"spec":{"size":3}}'
kubectl patch widget w --type=merge -p '{"spec":{"size":"x"}}'
kubectl patch widget w --subresource=scale --type=merge -p '{"spec":{"replicas":4}}'
kubectl patch pod p -p '{"spec":{"containers":[{"name":"c","image":"img:2"}]}}'
kubectl patch pod p -p '{"spec":{"containers":[{"name":"c","command":["x"]}]}}'
kubectl patch pod p --subresource=resize -p '{"spec":{"containers":[{"name":"c","resources":{"requests":{"cpu":"1"}}}]}}'
kubectl patch svc web -p '{"spec":{"clusterIP":"1.2.3.4"}}'
kubectl patch svc web -p '{"spec":{"type":"Odd"}}'
kubectl patch node n1 -p '{"spec":{"podCIDR":"1.2.3.0/24"}}'
EDITOR=./edit.sh kubectl edit cm/cm
EDITOR=./edit.sh kubectl edit deploy/web
EDITOR=./edit-none.sh kubectl edit cm/cm
EDITOR=./edit-bad.sh kubectl edit deploy/web
EDITOR=./edit.sh kubectl edit cm none
EDITOR=./edit.sh kubectl edit deploy web --subresource=status
EDITOR=./edit.sh kubectl create -f dir/one.yaml --edit
kubectl get cm cm -o yaml
kubectl get deploy web -o yaml
kubectl set image deploy/web c=img:3
kubectl set image deploy/web c=img:3
kubectl set image deploy/web none=img:3
kubectl set image pod/p c=img:5
kubectl set image deploy web '*=img:8' --dry-run=server -o yaml
kubectl set env deploy/web A=1 B=2
kubectl set env deploy/web A- --list
kubectl set env deploy/web --from=configmap/cm --keys=p --prefix=P_
kubectl set env deploy/web --from=secret/none
kubectl set env pod/p A=1
kubectl set resources deploy/web --limits=cpu=1,memory=1Gi --requests=cpu=100m
kubectl set resources deploy/web --limits=cpu=1m
kubectl set selector svc/web a=b
kubectl set selector deploy/web a=b
kubectl set serviceaccount deploy/web builder
kubectl set sa pod/p builder
kubectl set subject rolebinding none --user=x
kubectl get deploy web -o yaml
kubectl scale deploy web --replicas=5
kubectl scale deploy web --replicas=5 --current-replicas=2
kubectl scale deploy web --replicas=6 --current-replicas=5
kubectl scale deploy web --replicas=-1
kubectl scale deploy web --replicas=1 --resource-version=1
kubectl scale deploy none --replicas=1
kubectl scale pod p --replicas=1
kubectl scale widget w --replicas=2
kubectl scale -f web.yaml --replicas=2
kubectl scale deploy --all --replicas=1 --dry-run=server
kubectl scale --replicas=3 deploy/web svc/web
kubectl autoscale deploy web --min=1 --max=3 --cpu-percent=50
kubectl autoscale deploy web --max=3
kubectl autoscale deploy web --name=w2 --max=3 --cpu=80% --memory=1Gi -o yaml
kubectl autoscale deploy web --min=4 --max=3 --name=w3
kubectl autoscale pod p --max=3
kubectl autoscale deploy none --max=3
kubectl get hpa -o yaml
kubectl expose deploy web --name=e1 --port=80 --target-port=8080
kubectl expose deploy web --name=e2 --type=NodePort
kubectl expose pod p --port=80 --name=e3
kubectl expose deploy web --name=e1 --port=80
kubectl expose svc web --name=e4 --port=81
kubectl expose cm cm --port=1
kubectl expose deploy none --port=1
kubectl get svc -o yaml
kubectl get cm,deploy,pod --show-labels
"""),
    "roll": lines("""
kubectl create -f web.yaml
kubectl rollout status deploy/web --timeout=1s
kubectl rollout status deploy/complete -n show
kubectl rollout status deploy/rolling -n show --watch=false
kubectl rollout status deploy/old-left -n show --watch=false
kubectl rollout status deploy/stuck -n show
kubectl rollout status deploy/recreate -n show --watch=false
kubectl rollout status pod/rich -n show
kubectl rollout status deploy/none
kubectl rollout history deploy/complete -n show
kubectl rollout history deploy/complete -n show --revision=1
kubectl rollout history deploy/complete -n show --revision=9
kubectl rollout history deploy/complete -n show -o yaml | grep -e image: -e name:
kubectl rollout history deploy -n show
kubectl rollout undo deploy/complete -n show --dry-run=server
kubectl rollout undo deploy/complete -n show --to-revision=1 --dry-run=server
kubectl rollout undo deploy/complete -n show --to-revision=2 --dry-run=server
kubectl rollout undo deploy/complete -n show --to-revision=7
kubectl rollout undo deploy/web
kubectl rollout undo deploy/recreate -n show
kubectl rollout pause deploy/web
kubectl rollout pause deploy/web
kubectl rollout restart deploy/web
kubectl rollout resume deploy/web
kubectl rollout resume deploy/web
kubectl rollout restart deploy/web
sleep 1.1 && kubectl rollout restart deploy -l app=web
kubectl rollout restart pod/rich -n show
kubectl rollout restart rs/alone -n show
kubectl get deploy web -o yaml
kubectl wait --for=condition=Available deploy/complete -n show --timeout=2s
kubectl wait --for=condition=available=false deploy/complete -n show --timeout=1s
kubectl wait --for=jsonpath='{.status.phase}'=Running pod/running -n show --timeout=2s
kubectl wait --for=jsonpath='{.status.phase}' pod/running -n show --timeout=2s
kubectl wait --for=jsonpath='{.status.phase}'=Odd pod/running -n show --timeout=1s
kubectl wait --for=delete pod/none --timeout=1s
kubectl wait --for=delete deploy/web --timeout=1s
kubectl wait --for=create deploy/none --timeout=1s
kubectl wait --for=create deploy/web --timeout=1s
kubectl wait --for=condition=Ready pod --all -n show --timeout=1s
kubectl wait --for=condition=Ready pod none
kubectl wait --for=condition=Ready widget/w1 -n show --timeout=1s
kubectl wait --for=odd pod/running -n show
kubectl wait --for=condition=Ready node/n1 node/n2 --timeout=1s
"""),
    "delete": lines("""
kubectl create -f web.yaml -f cm.yaml -f pod.yaml -f dir -f widget.yaml
kubectl delete cm one --dry-run=server
kubectl delete cm one --dry-run=client
kubectl delete cm one -o name
kubectl delete cm one
kubectl delete cm one --ignore-not-found
kubectl delete cm two cm --wait=false
kubectl delete cm
kubectl delete cm --all -l a=b
kubectl delete cm --field-selector=metadata.name=none
kubectl create -f dir && kubectl delete cm --field-selector=metadata.name=one && kubectl get cm -o name
kubectl delete cm -l app=web
kubectl delete deploy/web --cascade=orphan
kubectl create -f web.yaml && kubectl delete deploy/web --cascade=foreground --wait=false && kubectl get deploy web -o jsonpath='{.metadata.finalizers}'
kubectl delete pod p --grace-period=-5 --wait=false
kubectl delete pod p --now --dry-run=server
kubectl delete pod p --grace-period=0
kubectl run q --image=img:1 && kubectl delete pod q --force
kubectl run q --image=img:1 && kubectl delete pod q --grace-period=0 --force
kubectl run q --image=img:1 && kubectl delete pod q --now --timeout=1s
kubectl run r --image=img:1 --overrides='{"spec":{"nodeName":"n1"}}' && kubectl delete pod r --wait=false
kubectl get pod r -o jsonpath='{.metadata.deletionGracePeriodSeconds}' ; kubectl delete pod r --timeout=1s
kubectl delete pod r --force --grace-period=0
kubectl delete pods --all
kubectl delete widget w
kubectl delete widgets,cm --all
kubectl delete svc kubernetes -n default --dry-run=server
kubectl delete nothing x
kubectl delete pod/x cm/y
kubectl delete -f nothing.yaml
kubectl delete --raw /api/v1/namespaces/delete/configmaps/none
kubectl delete all --all
kubectl delete ns default
kubectl delete ns kube-system
kubectl delete ns none
kubectl create ns going && kubectl delete ns going --wait=false && kubectl get ns going -o jsonpath='{.status.phase} {.spec.finalizers}'
kubectl create cm x -n going
kubectl delete sa default && kubectl run nosa --image=img:1
kubectl delete clusterrole none
kubectl delete priorityclass system-node-critical
kubectl delete node none
"""),
    "nodes": lines("""
kubectl cordon n1
kubectl cordon n1
kubectl get node n1
kubectl uncordon n1
kubectl uncordon n1
kubectl cordon none
kubectl cordon n1 --dry-run=server
kubectl cordon -l zone=a --dry-run=client
kubectl drain n1 --dry-run=server --pod-selector=app=web
kubectl drain n1 --dry-run=server --force --ignore-daemonsets --pod-selector=app=web
kubectl drain n1 --dry-run=server --force --delete-emptydir-data --pod-selector=app=web 2>&1 | grep -v Waited | sort
kubectl drain n1 --dry-run=client --force --delete-emptydir-data --pod-selector=app=web
kubectl drain n3 --timeout=2s
kubectl drain n3 n4 --dry-run=client
kubectl uncordon n3
kubectl taint node n1 a=b:NoSchedule
kubectl taint node n1 a=b:NoSchedule
kubectl taint node n1 a=c:NoSchedule
kubectl taint node n1 a=c:NoSchedule --overwrite
kubectl taint node n1 a:NoExecute
kubectl taint node n1 a=b:Odd
kubectl taint node n1 'bad key=x:NoSchedule'
kubectl get node n1 -o jsonpath='{.spec.taints}'
kubectl taint node n1 a-
kubectl taint node n1 a-
kubectl taint node none a=b:NoSchedule
kubectl taint nodes -l zone=a q=1:PreferNoSchedule --dry-run=server
kubectl top node
kubectl top pod
"""),
    "rights": lines("""
kubectl auth can-i get pods
kubectl auth can-i get nothing
kubectl auth can-i get pods --as=ann -n show
kubectl auth can-i delete pods --as=ann -n show
kubectl auth can-i get pods --subresource=log --as=ann -n show
kubectl auth can-i get deployments.apps/x --as=ann -n show
kubectl auth can-i get deployments.apps/y --as=ann -n show
kubectl auth can-i get /healthz --as=ann
kubectl auth can-i get /x/y --as=bob --as-group=g
kubectl auth can-i get nodes --as=ann
kubectl auth can-i '*' '*'
kubectl auth can-i odd pods
kubectl auth can-i -q get pods --as=zed
kubectl auth can-i --list --as=ann -n show
kubectl auth can-i --list
kubectl auth can-i --list --as=system:serviceaccount:show:default -n show
kubectl auth can-i get pods -A
kubectl auth can-i
kubectl auth whoami --as=ann --as-group=g
kubectl auth whoami --as=ann -o json
kubectl auth reconcile -f rbac.yaml
kubectl auth reconcile -f rbac.yaml
kubectl auth reconcile -f rbac.yaml --remove-extra-permissions --dry-run=server -o yaml
kubectl get pods --as=zed
kubectl get pods -A --as=zed
kubectl get nodes --as=zed
kubectl get nodes n1 --as=zed
kubectl create cm x --as=zed
kubectl apply -f cm.yaml --as=zed
kubectl delete pod x --as=zed
kubectl get --raw /metrics --as=zed
kubectl get deploy,pods --as=ann -n show -o name
kubectl get widgets --as=zed
kubectl logs rich -n show --as=zed
kubectl create role r --verb=get --resource=secrets --as=ann -n show
kubectl logs pending -n show
kubectl logs none -n show
kubectl logs rich -n show -c nothing
kubectl logs unready -n show --dry-run
kubectl logs deploy/none
kubectl exec none -- true
kubectl exec pending -n show -- true
kubectl exec done -n show -- true
kubectl port-forward pod/none 80
kubectl port-forward pod/pending -n show 80
kubectl attach none
kubectl cp none:/x y
kubectl certificate approve none
kubectl get csr
kubectl proxy --port=-5
kubectl options | sed -n 1p
kubectl get pods --server=https://127.0.0.1:1
kubectl get pods --token=bad --kubeconfig=/dev/null --server=https://127.0.0.1:1
"""),
    "explain": [f"./explain.sh {kind}" for kind in KINDS if kind not in ("widgets", "plains")] + [
        f"./explain.sh {kind} --recursive" for kind in KINDS] + lines("""
./explain.sh pod.spec.containers
./explain.sh pod.spec.containers.ports.containerPort
./explain.sh pod.spec.containers.resources.limits
./explain.sh pod.metadata.labels
./explain.sh pod.spec.volumes.projected.sources
./explain.sh pod.spec.nothing
./explain.sh pod.spec.containers.imagePullPolicy
./explain.sh deploy.spec.strategy
./explain.sh deploy.spec.strategy.rollingUpdate.maxSurge
./explain.sh svc.spec.type
./explain.sh svc.spec.ports.protocol
./explain.sh hpa.spec.metrics --api-version=autoscaling/v2
./explain.sh hpa.spec --api-version=autoscaling/v1
./explain.sh hpa --api-version=autoscaling/v9
./explain.sh event --api-version=events.k8s.io/v1
./explain.sh widget.spec
./explain.sh widget.spec.colour
./explain.sh widget.spec.parts.name
./explain.sh plain
./explain.sh crd.spec.versions.schema.openAPIV3Schema
./explain.sh nothing
./explain.sh widget -o plaintext-openapiv2
./explain.sh pod.spec.containers -o plaintext-openapiv2
./explain.sh deploy --recursive -o plaintext-openapiv2
"""),
    "resources": lines("""
./kinds.sh
./kinds.sh -o wide --sort-by=name
./kinds.sh --namespaced=false
./kinds.sh --categories=all
./kinds.sh --verbs=deletecollection
kubectl api-resources --api-group=example.com
kubectl api-resources --api-group=autoscaling -o wide
kubectl api-resources --api-group=nothing
kubectl get --raw /api
kubectl get --raw /apis/apps
kubectl get --raw /apis/policy/v1
kubectl get --raw /apis/discovery.k8s.io/v1
kubectl get --raw /apis/rbac.authorization.k8s.io/v1
kubectl get --raw /apis/autoscaling/v2
"""),
}


def of(group, *commands):
    return [(group, command) for command in commands]


# The commands whose output may differ, by the reason.
REASONS = {
    "the credential is not identified": of("look", "kubectl auth whoami"),
    "roles of its own": of("tables", "kubectl get clusterroles -n show ", "kubectl get clusterroles -n show -o wide"),
    "no node authorizer: nodes have a role": of("tables", "kubectl get clusterrolebindings -n show -o wide"),
    "a list that is empty is never null": of(
        "yaml", *(f"kubectl get {kind} -n show -o yaml | grep -v 'cluster: \"\"'" for kind in ("endpointslices", "hpa", "roles"))),
    "kinds that are not served": of("describe", "kubectl describe ns plain show") + of(
        "create", "kubectl create ingress i --rule=a/b=c:80", "kubectl create job j --image=a",
        "kubectl create quota q --hard=pods=1") + of("rights", "kubectl certificate approve none", "kubectl get csr"),
    "Pods are not resized in place": of(
        "change", "kubectl patch pod p --subresource=resize -p "
        "'{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}}'"),
    "metrics.k8s.io is served": of("nodes", "kubectl top node", "kubectl top pod"),
    "the object is shown as JSON, not as Go prints it": of(
        "apply", "kubectl apply -f web-bad.yaml", "kubectl apply -f web-unknown.yaml", "kubectl apply -f cm-bad.yaml") + of(
        "change", "kubectl patch cm cm -p '{\"data\":{\"a\":5}}'"),
    "no difference between Go structures is shown": of(
        "apply", "kubectl apply -f pod-changed.yaml", "kubectl replace -f pod-changed.yaml") + of(
        "change", "kubectl patch pod p -p '{\"spec\":{\"containers\":[{\"name\":\"c\",\"command\":[\"x\"]}]}}'",
        "kubectl set env pod/p A=1", "kubectl set sa pod/p builder"),
    "the type of a value is told once, not again for the path of the scale": of(
        "apply", "kubectl apply -f widget-type.yaml") + of("create", "kubectl create -f widget-type.yaml") + of(
        "change", "kubectl patch widget w --type=merge -p '{\"spec\":{\"size\":\"x\"}}'"),
    "where a patch is no JSON is told": of("change", "kubectl patch cm cm -p '{'"),
    "a Pod may come before the default account of its namespace": of(
        "delete", "kubectl delete sa default && kubectl run nosa --image=img:1"),
    "clients know the address": of("resources", "kubectl get --raw /api"),
}
EXPECTED = {command: reason for reason, commands in REASONS.items() for command in commands}
