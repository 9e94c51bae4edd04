"""Objects that kubectl shows: of every served kind, with statuses as kubelets and controllers write them."""

NS = "show"
THEN = "2024-05-01T10:00:00Z"  # long enough ago for ages to be years


def meta(name, **more):
    return dict({"name": name, "namespace": NS}, **more)


def made(api, kind, name, is_global=False, **members):
    out = {"apiVersion": api, "kind": kind, "metadata": meta(name, **members.pop("meta", {}))}
    if is_global:
        del out["metadata"]["namespace"]
    return dict(out, **members)


# --- Pods --------------------------------------------------------------------------------------------

def state(name, now=None, is_ready=False, restarts=0, last=None, **more):
    return dict({"name": name, "image": "img:1", "imageID": "sha256:1", "ready": is_ready, "restartCount": restarts,
                 "state": now or {}, "lastState": last or {}}, **more)


RUNNING = {"running": {"startedAt": THEN}}


def waiting(reason, message=""):
    return {"waiting": {"reason": reason, "message": message}}


def ended(code, reason="", signal=0):
    done = {"exitCode": code, "reason": reason, "startedAt": THEN, "finishedAt": THEN, "containerID": "x://1"}
    return {"terminated": dict(done, signal=signal) if signal else done}


def condition(kind, status="True", reason="", message=""):
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": THEN,
            "lastProbeTime": None}


def pod(name, phase, containers=(), inits=(), reason="", conditions=(), spec=None, meta=None, **status):
    # a container of the spec for each status
    body = {"nodeName": "n1", "containers": [{"name": c["name"], "image": "img:1"} for c in containers] or
            [{"name": "c", "image": "img:1"}]}
    if inits:
        body["initContainers"] = [dict({"name": c["name"], "image": "img:1"},
                                       **({"restartPolicy": "Always"} if c.get("is_sidecar") else {})) for c in inits]
    body.update(spec or {})
    body = {k: v for k, v in body.items() if v is not None}
    said = {"phase": phase, "conditions": list(conditions), "containerStatuses": list(containers),
            "initContainerStatuses": [{k: v for k, v in c.items() if k != "is_sidecar"} for c in inits]}
    if reason:
        said["reason"] = reason
    return made("v1", "Pod", name, meta=meta or {}, spec=body, status=dict(said, **status))


RICH_CONTAINER = {
    "name": "main", "image": "img:1", "command": ["sh", "-c", "one\ntwo"], "args": ["--flag", "a b"],
    "ports": [{"containerPort": 80, "name": "http", "hostPort": 8080}, {"containerPort": 53, "protocol": "UDP"}],
    "env": [{"name": "PLAIN", "value": "v"}, {"name": "EMPTY"}, {"name": "MULTI", "value": "a\nb"},
            {"name": "FIELD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "RES", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
            {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory"}}},
            {"name": "CM", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k", "optional": True}}},
            {"name": "SEC", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    "envFrom": [{"prefix": "P_", "configMapRef": {"name": "cm"}}, {"secretRef": {"name": "s", "optional": True}}],
    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
    "volumeMounts": [{"name": "e", "mountPath": "/e"}, {"name": "c", "mountPath": "/c", "readOnly": True},
                     {"name": "s", "mountPath": "/s", "subPath": "x"}],
    "livenessProbe": {"httpGet": {"path": "/live", "port": "http"}, "initialDelaySeconds": 3},
    "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 7, "successThreshold": 2},
    "startupProbe": {"exec": {"command": ["cat", "/x"]}, "failureThreshold": 30},
    "lifecycle": {"preStop": {"exec": {"command": ["sleep", "1"]}}}}
RICH_SPEC = {
    "containers": [RICH_CONTAINER], "nodeSelector": {"disk": "ssd", "a": "b"}, "priorityClassName": "important",
    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"}, {"key": "q", "value": "v"},
                    {"key": "n", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 60}],
    "volumes": [{"name": "e", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
                {"name": "c", "configMap": {"name": "cm", "optional": True}},
                {"name": "s", "secret": {"secretName": "s"}}, {"name": "h", "hostPath": {"path": "/tmp"}},
                {"name": "d", "downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                {"name": "p", "projected": {"sources": [{"configMap": {"name": "cm"}}, {"secret": {"name": "s"}},
                                                        {"serviceAccountToken": {"path": "t"}}]}}],
    "readinessGates": [{"conditionType": "example.com/gate"}, {"conditionType": "example.com/other"}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                                   "labelSelector": {"matchLabels": {"app": "x"}}}]}
OWNER = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "controller": True,
          "uid": "11111111-1111-1111-1111-111111111111"}]
PODS = [
    pod("rich", "Running", [state("main", RUNNING, True, 3, ended(137, "OOMKilled"), containerID="x://2", started=True)],
        conditions=[condition("Ready"), condition("ContainersReady"), condition("example.com/gate")], spec=RICH_SPEC,
        meta={"labels": {"app": "web", "pod-template-hash": "1"}, "annotations": {"note": "a\nb", "z": "y"},
              "ownerReferences": OWNER}, podIP="10.9.0.1", podIPs=[{"ip": "10.9.0.1"}, {"ip": "fd00::1"}],
        hostIP="192.0.2.1", startTime=THEN, qosClass="Burstable"),
    pod("running", "Running", [state("c", RUNNING, True, 0)], conditions=[condition("Ready")], podIP="10.9.0.2"),
    pod("unready", "Running", [state("c", RUNNING, False, 0), state("d", RUNNING, True, 2)],
        conditions=[condition("Ready", "False")]),
    pod("pending", "Pending", spec={"nodeName": None}, conditions=[
        condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available")], nominatedNodeName="n2"),
    pod("gated", "Pending", spec={"nodeName": None, "schedulingGates": [{"name": "example.com/wait"}]}, conditions=[
        condition("PodScheduled", "False", "SchedulingGated")]),
    pod("creating", "Pending", [state("c", waiting("ContainerCreating"))]),
    pod("no-image", "Pending", [state("c", waiting("ImagePullBackOff", "back-off"))]),
    pod("crash", "Running", [state("c", waiting("CrashLoopBackOff", "back-off 5m0s"), False, 17, ended(1, "Error"))],
        conditions=[condition("Ready", "False", "ContainersNotReady", "containers with unready status: [c]")]),
    pod("crash-two", "Running", [state("c", waiting("CrashLoopBackOff"), False, 2), state("d", RUNNING, True, 1)]),
    pod("done", "Succeeded", [state("c", ended(0, "Completed"))], spec={"restartPolicy": "Never"}),
    pod("done-beside", "Running", [state("c", ended(0, "Completed")), state("d", RUNNING, True)],
        conditions=[condition("Ready")]),
    pod("done-unready", "Running", [state("c", ended(0, "Completed")), state("d", RUNNING, True)],
        conditions=[condition("Ready", "False")]),
    pod("failed", "Failed", [state("c", ended(2, "Error"))], spec={"restartPolicy": "Never"}),
    pod("exit-code", "Failed", [state("c", ended(3))], spec={"restartPolicy": "Never"}),
    pod("signal", "Failed", [state("c", ended(0, "", 9))], spec={"restartPolicy": "Never"}),
    pod("evicted", "Failed", reason="Evicted", message="The node was low on memory"),
    pod("lost", "Unknown", reason="NodeLost"),
    pod("init-running", "Pending", [state("c", waiting("PodInitializing"))], [state("i", RUNNING), state("j", waiting(""))]),
    pod("init-waiting", "Pending", [state("c", waiting("PodInitializing"))], [state("i", waiting("ErrImagePull"))]),
    pod("init-failed", "Failed", [state("c", waiting("PodInitializing"))], [state("i", ended(5))]),
    pod("init-error", "Pending", [state("c", waiting("PodInitializing"))], [state("i", ended(5, "Error"), restarts=2)]),
    pod("init-signal", "Pending", [state("c", waiting("PodInitializing"))], [state("i", ended(0, "", 15))]),
    pod("init-second", "Pending", [state("c", waiting("PodInitializing"))],
        [state("i", ended(0, "Completed"), True), state("j", waiting("PodInitializing"))]),
    pod("init-done", "Running", [state("c", RUNNING, True)], [state("i", ended(0, "Completed"), True)],
        conditions=[condition("Ready")]),
    pod("sidecar", "Running", [state("c", RUNNING, True, 1)], [
        state("s", RUNNING, True, 4, ended(1, "Error"), started=True, is_sidecar=True)], conditions=[condition("Ready")]),
    pod("sidecar-starting", "Pending", [state("c", waiting("PodInitializing"))], [
        state("s", RUNNING, False, 0, started=False, is_sidecar=True)]),
    pod("reason-now", "Running", [state("c", RUNNING, True)], reason="NodeAffinity"),
    pod("no-status", ""),
    pod("ending", "Running", [state("c", RUNNING, True)], meta={"finalizers": ["example.com/f"]}),
]

# --- Services and what is behind them ------------------------------------------------------------------


def service(name, spec, status=None, **more):
    return dict(made("v1", "Service", name, meta=more, spec=spec), **({"status": status} if status else {}))


HTTP = [{"name": "http", "port": 80, "targetPort": "web"}, {"name": "dns", "port": 53, "protocol": "UDP"}]
SERVICES = [
    service("cluster", {"selector": {"app": "x", "b": "c"}, "ports": HTTP}, labels={"l": "1"}),
    service("headless", {"clusterIP": "None", "selector": {"app": "x"}, "ports": [{"port": 80}]}),
    service("headless-bare", {"clusterIP": "None"}),
    service("node-port", {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}], "sessionAffinity": "ClientIP"}),
    service("balancer-pending", {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30081}]}),
    service("balancer-ip", {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30082}],
                            "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["192.0.2.0/24"]},
            {"loadBalancer": {"ingress": [{"ip": "192.0.2.9"}]}}),
    service("balancer-many", {"type": "LoadBalancer", "externalIPs": ["192.0.2.7"],
                              "ports": [{"port": 80, "nodePort": 30083}]},
            {"loadBalancer": {"ingress": [{"hostname": "a-very-long-name.example.com"}, {"hostname": "b.example.com"}]}}),
    service("external-ip", {"externalIPs": ["192.0.2.7", "192.0.2.8"], "ports": [{"port": 80}]}),
    service("external-name", {"type": "ExternalName", "externalName": "db.example.com"}),
    service("external-port", {"type": "ExternalName", "externalName": "db.example.com", "ports": [{"port": 80}]}),
]


def endpoints(name, subsets):
    return made("v1", "Endpoints", name, subsets=subsets)


def slice_(name, addresses, ports, **more):
    return made("discovery.k8s.io/v1", "EndpointSlice", name, meta={"labels": {"kubernetes.io/service-name": "cluster"}},
                addressType=more.get("family", "IPv4"), endpoints=addresses, ports=ports)


BEHIND = [
    endpoints("cluster", [{"addresses": [{"ip": f"10.9.0.{i}"} for i in range(1, 6)],
                           "notReadyAddresses": [{"ip": "10.9.1.1", "nodeName": "n1"}],
                           "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 53, "protocol": "UDP"}]}]),
    endpoints("headless", [{"addresses": [{"ip": "10.9.0.1"}]}]),
    endpoints("unready", [{"notReadyAddresses": [{"ip": "10.9.1.1"}], "ports": [{"port": 80}]}]),
    endpoints("empty", []),
    slice_("cluster-a", [{"addresses": [f"10.9.0.{i}"], "conditions": {"ready": i % 2 == 0}, "nodeName": "n1",
                          "zone": "z", "targetRef": {"kind": "Pod", "name": "p", "namespace": NS}}
                         for i in range(1, 6)],
           [{"name": n, "port": 80 + i, "protocol": "TCP"} for i, n in enumerate("abcde")]),
    slice_("cluster-b", [{"addresses": ["10.9.0.9"], "conditions": {"ready": True, "serving": True}}], []),
    slice_("cluster-c", [], [{"name": "", "port": 80}]),
    slice_("cluster-6", [{"addresses": ["fd00::1"], "hostname": "h"}], [{"name": "x", "port": 53, "protocol": "UDP"}],
           family="IPv6"),
    slice_("cluster-any", [{"addresses": ["10.9.0.9"]}], [{"name": "x"}]),
]

# --- nodes -------------------------------------------------------------------------------------------


def node(name, conditions, spec=None, **more):
    return made("v1", "Node", name, True, meta=more, spec=spec or {}, status={
        "conditions": conditions, "capacity": {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "10Gi"},
        "allocatable": {"cpu": "3900m", "memory": "7Gi", "pods": "110", "ephemeral-storage": "9Gi"},
        "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "ExternalIP", "address": "198.51.100.1"},
                      {"type": "Hostname", "address": name}] if name == "n1" else [],
        "images": [{"names": ["img:1", "img@sha256:1"], "sizeBytes": 1000}],
        "nodeInfo": {"kubeletVersion": "v1.36.0" if name == "n1" else "", "osImage": "Some Linux" if name == "n1" else "",
                     "kernelVersion": "6.1" if name == "n1" else "", "architecture": "amd64", "bootID": "b",
                     "containerRuntimeVersion": "x://1" if name == "n1" else "", "kubeProxyVersion": "",
                     "machineID": "m", "operatingSystem": "linux", "systemUUID": "s"}})


def node_condition(kind, status, reason="R"):
    return {"type": kind, "status": status, "reason": reason, "message": "m", "lastHeartbeatTime": THEN,
            "lastTransitionTime": THEN}


ROLE = "node-role.kubernetes.io/"
NODES = [
    node("n1", [node_condition("MemoryPressure", "False"), node_condition("Ready", "True", "KubeletReady")],
         {"podCIDR": "10.9.0.0/24", "podCIDRs": ["10.9.0.0/24"], "providerID": "x://n1"},
         labels={ROLE + "control-plane": "", ROLE + "worker": "", "kubernetes.io/role": "extra", "zone": "a"}),
    node("n2", [node_condition("Ready", "False", "KubeletNotReady")], {"unschedulable": True, "taints": [
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        {"key": "dedicated", "value": "x", "effect": "NoExecute"}]}),
    node("n3", [node_condition("Ready", "Unknown", "NodeStatusUnknown")]),
    node("n4", []),
]

# --- workloads ---------------------------------------------------------------------------------------


def template(**spec):
    return {"metadata": {"labels": {"app": "x"}, "annotations": {"t": "1"}}, "spec": dict({"containers": [
        {"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}, **spec)}


SELECTOR = {"matchLabels": {"app": "x"}, "matchExpressions": [
    {"key": "env", "operator": "DoesNotExist"}, {"key": "app", "operator": "In", "values": ["x", "y"]}]}


def deployment(name, spec, status=None, **more):
    whole = dict({"replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": template()}, **spec)
    return dict(made("apps/v1", "Deployment", name, meta=more, spec=whole), **({"status": status} if status else {}))


def progress(status, reason, available="True"):
    return [dict(condition("Progressing", status, reason, "m"), lastUpdateTime=THEN),
            dict(condition("Available", available, "MinimumReplicasAvailable", "m"), lastUpdateTime=THEN)]


def cleaned(conditions):
    return [{k: v for k, v in c.items() if k != "lastProbeTime"} for c in conditions]


WORKLOADS = [
    deployment("complete", {"selector": SELECTOR}, {
        "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
        "conditions": cleaned(progress("True", "NewReplicaSetAvailable"))},
        annotations={"deployment.kubernetes.io/revision": "2", "kubernetes.io/change-cause": "because"}),
    deployment("rolling", {}, {"observedGeneration": 1, "replicas": 4, "updatedReplicas": 2, "readyReplicas": 3,
                               "availableReplicas": 2, "unavailableReplicas": 2}),
    deployment("old-left", {}, {"observedGeneration": 1, "replicas": 4, "updatedReplicas": 3, "readyReplicas": 3,
                                "availableReplicas": 3}),
    deployment("stuck", {"progressDeadlineSeconds": 5}, {
        "observedGeneration": 1, "replicas": 3, "conditions": cleaned(progress("False", "ProgressDeadlineExceeded"))}),
    deployment("recreate", {"strategy": {"type": "Recreate"}, "paused": True, "replicas": 0, "template": template(
        volumes=RICH_SPEC["volumes"], initContainers=[{"name": "i", "image": "i:1"}], serviceAccountName="default",
        containers=[RICH_CONTAINER], nodeSelector={"a": "b"}, tolerations=RICH_SPEC["tolerations"])}),
    made("apps/v1", "ReplicaSet", "alone", spec={"replicas": 2, "selector": SELECTOR, "template": template()},
         status={"replicas": 2, "readyReplicas": 1, "availableReplicas": 1, "fullyLabeledReplicas": 2,
                 "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                                 "message": "no", "lastTransitionTime": THEN}]}),
]
for number in (1, 2):
    WORKLOADS.append(made("apps/v1", "ReplicaSet", f"complete-{number}", meta={
        "labels": {"app": "x", "pod-template-hash": str(number)},
        "annotations": {"deployment.kubernetes.io/revision": str(number), "kubernetes.io/change-cause": f"cause {number}"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "complete", "controller": True,
                             "uid": "OWNER"}]},
        spec={"replicas": 3 * (number - 1), "selector": {"matchLabels": {"app": "x", "pod-template-hash": str(number)}},
              "template": {"metadata": {"labels": {"app": "x", "pod-template-hash": str(number)}},
                           "spec": {"containers": [{"name": "a", "image": f"a:{number}"}]}}},
        status={"replicas": 3 * (number - 1), "readyReplicas": 3 * (number - 1)}))


def scaler(name, metrics=None, current=None, **spec):
    whole = dict({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "complete"},
                  "maxReplicas": 9}, **spec)
    if metrics:
        whole["metrics"] = metrics
    status = {"currentReplicas": 3, "desiredReplicas": 4, "currentMetrics": current or [], "lastScaleTime": THEN,
              "conditions": [{"type": "AbleToScale", "status": "True", "reason": "R", "message": "m",
                              "lastTransitionTime": THEN}]}
    return made("autoscaling/v2", "HorizontalPodAutoscaler", name, spec=whole, status=status)


def target(**value):
    kinds = {"averageUtilization": "Utilization", "averageValue": "AverageValue", "value": "Value"}
    return {"target": dict(value, type=kinds[list(value)[0]])}


CPU = {"type": "Resource", "resource": dict(target(averageUtilization=80), name="cpu")}
CPU_NOW = {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12, "averageValue": "12m"}}}
MEM = {"type": "Resource", "resource": dict(target(averageValue="100Mi"), name="memory")}
MEM_NOW = {"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "50Mi"}}}
BOX = {"type": "ContainerResource", "containerResource": dict(target(averageUtilization=70), name="cpu", container="a")}
BOX_NOW = {"type": "ContainerResource", "containerResource": {
    "name": "cpu", "container": "a", "current": {"averageUtilization": 30, "averageValue": "3m"}}}
BOX_VALUE = {"type": "ContainerResource", "containerResource": dict(target(averageValue="10m"), name="cpu", container="a")}
PER_POD = {"type": "Pods", "pods": dict(target(averageValue="10"), metric={"name": "rps"})}
PER_POD_NOW = {"type": "Pods", "pods": {"metric": {"name": "rps"}, "current": {"averageValue": "7"}}}
AT = {"apiVersion": "v1", "kind": "Service", "name": "cluster"}
OBJECT = {"type": "Object", "object": dict(target(value="5"), metric={"name": "q"}, describedObject=AT)}
OBJECT_NOW = {"type": "Object", "object": {"metric": {"name": "q"}, "describedObject": AT, "current": {"value": "3"}}}
OBJECT_AVERAGE = {"type": "Object", "object": dict(target(averageValue="5"), metric={"name": "q"}, describedObject=AT)}
OBJECT_AVERAGE_NOW = {"type": "Object", "object": {"metric": {"name": "q"}, "describedObject": AT,
                                                   "current": {"value": "0", "averageValue": "2"}}}
OUTSIDE = {"type": "External", "external": dict(target(value="5"), metric={
    "name": "e", "selector": {"matchLabels": {"q": "1"}}})}
OUTSIDE_NOW = {"type": "External", "external": {"metric": {"name": "e"}, "current": {"value": "3"}}}
OUTSIDE_AVERAGE = {"type": "External", "external": dict(target(averageValue="5"), metric={"name": "e"})}
OUTSIDE_AVERAGE_NOW = {"type": "External", "external": {"metric": {"name": "e"}, "current": {"value": "0",
                                                                                             "averageValue": "2"}}}
SCALERS = [
    scaler("none"), scaler("cpu", [CPU], [CPU_NOW], minReplicas=2), scaler("cpu-unknown", [CPU]),
    scaler("memory", [MEM], [MEM_NOW]), scaler("memory-unknown", [MEM]), scaler("box", [BOX], [BOX_NOW]),
    scaler("box-unknown", [BOX]), scaler("box-value", [BOX_VALUE]), scaler("pods", [PER_POD], [PER_POD_NOW]),
    scaler("pods-unknown", [PER_POD]), scaler("object", [OBJECT], [OBJECT_NOW]), scaler("object-unknown", [OBJECT]),
    scaler("object-average", [OBJECT_AVERAGE], [OBJECT_AVERAGE_NOW]),
    scaler("object-average-unknown", [OBJECT_AVERAGE]), scaler("external", [OUTSIDE], [OUTSIDE_NOW]),
    scaler("external-unknown", [OUTSIDE]), scaler("external-average", [OUTSIDE_AVERAGE], [OUTSIDE_AVERAGE_NOW]),
    scaler("external-average-unknown", [OUTSIDE_AVERAGE]),
    scaler("many", [CPU, MEM, PER_POD, OBJECT], [CPU_NOW, MEM_NOW, PER_POD_NOW, OBJECT_NOW], behavior={
        "scaleDown": {"stabilizationWindowSeconds": 10, "policies": [
            {"type": "Pods", "value": 1, "periodSeconds": 60}, {"type": "Percent", "value": 10, "periodSeconds": 30}]},
        "scaleUp": {"selectPolicy": "Disabled"}}),
]


def budget(name, spec, **status):
    return made("policy/v1", "PodDisruptionBudget", name, spec=dict({"selector": {"matchLabels": {"app": "x"}}}, **spec),
                status=dict({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0},
                            **status))


BUDGETS = [budget("least", {"minAvailable": 2}, disruptionsAllowed=1, expectedPods=3),
           budget("most", {"maxUnavailable": "30%"}), budget("neither", {}),
           budget("always", {"minAvailable": "50%", "unhealthyPodEvictionPolicy": "AlwaysAllow"})]

# --- the rest ----------------------------------------------------------------------------------------


def event(name, **members):
    base = {"involvedObject": {"kind": "Pod", "name": "running", "namespace": NS, "apiVersion": "v1"},
            "reason": "Started", "message": "Started it\n", "type": "Normal", "firstTimestamp": THEN,
            "lastTimestamp": THEN, "count": 3, "source": {"component": "kubelet", "host": "n1"}}
    base.update(members)
    return made("v1", "Event", name, **{k: v for k, v in base.items() if v is not None})


NEW_EVENT = {"eventTime": "2024-05-01T10:00:00.000001Z", "firstTimestamp": None, "lastTimestamp": None, "count": None,
             "source": None, "action": "Act", "reportingComponent": "example.com/c", "reportingInstance": "c-1"}
EVENTS = [
    event("e1"), event("e2", type="Warning", reason="Bad", count=1, involvedObject={
        "kind": "Pod", "name": "running", "namespace": NS, "fieldPath": "spec.containers{c}"}),
    event("e3", source={"component": "x"}), event("e4", count=None, lastTimestamp=None),
    event("e5", **NEW_EVENT), event("e6", **dict(NEW_EVENT, series={
        "count": 7, "lastObservedTime": "2024-05-02T10:00:00.000001Z"})),
    event("e7", involvedObject={"kind": "Pod", "namespace": NS}, message=""),
]
SECRETS = [
    made("v1", "Secret", "s", data={"k": "dmFsdWU=", "l": "djI="}),
    made("v1", "Secret", "none"),
    made("v1", "Secret", "tls", type="kubernetes.io/tls", data={"tls.crt": "eA==", "tls.key": "eQ=="}),
    made("v1", "Secret", "docker", type="kubernetes.io/dockerconfigjson", data={".dockerconfigjson": "e30="}),
    made("v1", "Secret", "dockercfg", type="kubernetes.io/dockercfg", data={".dockercfg": "e30="}),
    made("v1", "Secret", "basic", type="kubernetes.io/basic-auth", stringData={"username": "u", "password": "p"}),
    made("v1", "Secret", "ssh", type="kubernetes.io/ssh-auth", stringData={"ssh-privatekey": "k"}),
    made("v1", "Secret", "odd", type="example.com/odd", immutable=True),
]
ROLES = [
    made("rbac.authorization.k8s.io/v1", "Role", "reader", rules=[
        {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["x"], "verbs": ["*"]},
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["watch"]}]),
    made("rbac.authorization.k8s.io/v1", "Role", "nothing", rules=[]),
    made("rbac.authorization.k8s.io/v1", "RoleBinding", "readers", roleRef={
        "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}, subjects=[
            {"kind": "User", "name": "ann"}, {"kind": "User", "name": "bob"}, {"kind": "Group", "name": "g"},
            {"kind": "ServiceAccount", "name": "default", "namespace": NS}]),
    made("rbac.authorization.k8s.io/v1", "RoleBinding", "nobody", roleRef={
        "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}),
    made("rbac.authorization.k8s.io/v1", "ClusterRole", "urls", True, rules=[
        {"nonResourceURLs": ["/healthz", "/x/*"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}]),
    made("rbac.authorization.k8s.io/v1", "ClusterRole", "summed", True, rules=None, aggregationRule={
        "clusterRoleSelectors": [{"matchLabels": {"sum": "yes"}}]}),
    made("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "all-urls", True, roleRef={
        "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "urls"}, subjects=[
            {"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "name": "default", "namespace": NS}]),
]
COLUMNS = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
           {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
           {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
           {"name": "Tags", "type": "string", "jsonPath": ".spec.tags"},
           {"name": "On", "type": "boolean", "jsonPath": ".spec.on"},
           {"name": "Ratio", "type": "number", "jsonPath": ".spec.ratio"},
           {"name": "First", "type": "string", "jsonPath": ".spec.tags[0]"}]
SCHEMA = {"type": "object", "description": "A widget.", "required": ["spec"], "properties": {
    "spec": {"type": "object", "description": "What is wanted.", "required": ["size"], "properties": {
        "size": {"type": "integer", "minimum": 1, "description": "How large."},
        "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
        "tags": {"type": "array", "items": {"type": "string"}}, "on": {"type": "boolean"}, "ratio": {"type": "number"},
        "parts": {"type": "array", "items": {"type": "object", "properties": {
            "name": {"type": "string", "description": "Its name."}, "count": {"type": "integer", "format": "int64"}}}},
        "limits": {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}}}},
    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
CUSTOM = [
    made("apiextensions.k8s.io/v1", "CustomResourceDefinition", "widgets.example.com", True, spec={
        "group": "example.com", "scope": "Namespaced", "names": {
            "plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"], "categories": ["all", "shop"]},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": SCHEMA},
                      "additionalPrinterColumns": COLUMNS, "subresources": {"status": {}, "scale": {
                          "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}}}]}),
    made("apiextensions.k8s.io/v1", "CustomResourceDefinition", "plains.example.com", True, spec={
        "group": "example.com", "scope": "Cluster", "names": {"plural": "plains", "kind": "Plain"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
            "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}),
]
WIDGETS = [
    made("example.com/v1", "Widget", "w1", spec={"size": 3, "tags": ["a", "b"], "on": True, "ratio": 1.5,
                                                 "parts": [{"name": "p", "count": 2}]},
         status={"size": 2, "conditions": [{"type": "Ready", "status": "True"}]}),
    made("example.com/v1", "Widget", "w2", spec={"size": 1, "colour": "blue"}),
    made("example.com/v1", "Plain", "p1", True, anything={"at": ["all"]}),
]
REST = [
    made("v1", "ConfigMap", "cm", data={"k": "v", "file.txt": "one\ntwo\n"}, binaryData={"b": "AAE="}),
    made("v1", "ConfigMap", "none"),
    made("v1", "ServiceAccount", "builder", secrets=[{"name": "s"}], imagePullSecrets=[{"name": "docker"}]),
    made("v1", "Namespace", "plain", True, meta={"labels": {"team": "a"}}),
    made("coordination.k8s.io/v1", "Lease", "held", spec={
        "holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2024-05-01T10:00:00.000001Z",
        "acquireTime": "2024-05-01T10:00:00.000001Z", "leaseTransitions": 2}),
    made("coordination.k8s.io/v1", "Lease", "free", spec={}),
]
FIRST = [made("scheduling.k8s.io/v1", "PriorityClass", "important", True, value=1000, description="for what matters"),
         made("scheduling.k8s.io/v1", "PriorityClass", "polite", True, value=-5, preemptionPolicy="Never")]
ALL = [*FIRST, *REST, *NODES, *PODS, *SERVICES, *BEHIND, *WORKLOADS, *SCALERS, *BUDGETS, *EVENTS, *SECRETS, *ROLES, *CUSTOM]
