-- A controller for the custom resource Web (examples/web-crd.yaml), as a policy: it says which
-- objects a Web wants; the host creates, changes and deletes them. The same in C: examples/c-web.
-- `operon test web.lua` runs the cases at the end offline; README.md says how to run it.

local function metadata(web)
  return { name = web.metadata.name,
           labels = { app = web.metadata.name, ["demo.example/managed-by"] = "web-policy" } }
end

local function port_of(web)
  return web.spec.port or 8080
end

-- What is served.
local function config(web)
  return { apiVersion = "v1", kind = "ConfigMap", metadata = metadata(web),
           data = { ["index.html"] = web.spec.message or "" } }
end

-- A small web server of the node's own file system; a changed page reaches it without a restart.
local function deployment(web)
  local name, port = web.metadata.name, port_of(web)
  local server = {
    name = "web", image = "operon.local/host",
    command = { "python3", "-m", "http.server", tostring(port), "--directory", "/www" },
    ports = { { name = "http", containerPort = port } },
    readinessProbe = { httpGet = { path = "/", port = port }, periodSeconds = 1 },
    volumeMounts = { { name = "www", mountPath = "/www" } },
  }
  return {
    apiVersion = "apps/v1", kind = "Deployment", metadata = metadata(web),
    spec = {
      replicas = web.spec.replicas or 1,
      selector = { matchLabels = { app = name } },
      template = {
        metadata = { labels = { app = name } },
        spec = { terminationGracePeriodSeconds = 1, containers = { server },
                 volumes = { { name = "www", configMap = { name = name } } } },
      },
    },
  }
end

local function service(web)
  local port = port_of(web)
  return { apiVersion = "v1", kind = "Service", metadata = metadata(web),
           spec = { selector = { app = web.metadata.name },
                    ports = { { name = "http", port = port, targetPort = port } } } }
end

-- children holds what is there, by kind and name.
local function reconcile(web, children)
  local there = children.Deployment[web.metadata.name]
  local ready = there and there.status and there.status.readyReplicas or 0
  local wanted = web.spec.replicas or 1
  local is_ready = ready >= wanted
  return {
    children = { config(web), deployment(web), service(web) },
    status = {
      readyReplicas = ready,
      conditions = { { type = "Ready", status = is_ready and "True" or "False",
                       reason = is_ready and "Serving" or "Waiting",
                       message = string.format("%d of %d replicas are ready", ready, wanted) } },
    },
  }
end

-- For the cases.
local function web(spec)
  return { metadata = { name = "hello", namespace = "default" }, spec = spec }
end
local nothing = { ConfigMap = {}, Deployment = {}, Service = {} }
local function running(ready)
  return { ConfigMap = {}, Service = {},
           Deployment = { hello = { metadata = { name = "hello" },
                                    status = { readyReplicas = ready } } } }
end
local function condition(status, reason, message)
  return { type = "Ready", status = status, reason = reason, message = message }
end
local any = {}

return {
  controller = {
    primary = "demo.example/v1/Web",
    owns = { "v1/ConfigMap", "apps/v1/Deployment", "v1/Service" },
  },
  reconcile = reconcile,
  tests = function() return {
    { name = "a page, a Deployment and a Service", call = "reconcile",
      args = { web { replicas = 2, message = "hi" }, nothing },
      expect = {
        children = { config(web { message = "hi" }), deployment(web { replicas = 2 }), service(web {}) },
        status = { readyReplicas = 0,
                   conditions = { condition("False", "Waiting", "0 of 2 replicas are ready") } } } },
    { name = "the size is the Deployment's", call = "reconcile", args = { web { replicas = 3 }, nothing },
      contains = { children = { any, { kind = "Deployment", spec = { replicas = 3 } } } } },
    { name = "one replica where none is said", call = "reconcile", args = { web {}, nothing },
      contains = { children = { any, { spec = { replicas = 1 } } } } },
    { name = "the port is the server's and the Service's", call = "reconcile",
      args = { web { port = 9000 }, nothing },
      contains = { children = {
        any,
        { spec = { template = { spec = { containers = { {
          command = { "python3", "-m", "http.server", "9000" },
          ports = { { containerPort = 9000 } } } } } } } },
        { spec = { ports = { { port = 9000, targetPort = 9000 } } } } } } },
    { name = "the message is the page", call = "reconcile", args = { web { message = "hi" }, nothing },
      contains = { children = { { metadata = { name = "hello" }, data = { ["index.html"] = "hi" } } } } },
    { name = "ready where all are", call = "reconcile", args = { web { replicas = 2 }, running(2) },
      contains = { status = { readyReplicas = 2,
        conditions = { condition("True", "Serving", "2 of 2 replicas are ready") } } } },
    { name = "not ready before", call = "reconcile", args = { web { replicas = 2 }, running(1) },
      contains = { status = { readyReplicas = 1, conditions = { { status = "False" } } } } },
    { name = "no replicas wanted is ready", call = "reconcile", args = { web { replicas = 0 }, nothing },
      contains = { status = { readyReplicas = 0, conditions = { { status = "True" } } } } },
  } end,
}
