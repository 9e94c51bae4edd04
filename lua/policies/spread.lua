-- A scheduling policy. filter: a Pod that names a pool (label or annotation operon.local/pool) runs
-- on nodes of that pool only. score: nodes with the larger free share of CPU, memory and Pods first.
-- The host gives pod, node, and the input as a whole with free = {cpu_milli, memory_bytes, pods}.
local POOL = "operon.local/pool"

local function pool_of(object)
  local m = object.metadata or {}
  return (m.labels and m.labels[POOL]) or (m.annotations and m.annotations[POOL])
end

local function filter(pod, node)
  local want = pool_of(pod)
  if want and pool_of(node) ~= want then
    return false, "node(s) were not in pool " .. want
  end
  return true
end

local function share(free, total)
  if not free or not total or total <= 0 then return 0 end
  return policy.clamp(free / total, 0, 1)
end

local function score(pod, node, input)
  local all = node.status and node.status.allocatable
  local free = input and input.free
  if not all or not free then return 0 end
  local cpu = share(free.cpu_milli, all.cpu and 1000 * policy.quantity(all.cpu))
  local memory = share(free.memory_bytes, all.memory and policy.quantity(all.memory))
  local pods = share(free.pods, all.pods and policy.quantity(all.pods))
  return policy.round(100 * (2 * cpu + memory + pods) / 4)
end

local function node(pool, cpu)
  return { metadata = { name = "n", labels = { [POOL] = pool } },
           status = { allocatable = { cpu = cpu or "4", memory = "8Gi", pods = "110" } } }
end
local function pod(pool)
  return { metadata = { name = "p", annotations = { [POOL] = pool } } }
end
local function free(cpu, memory, pods)
  return { cpu_milli = cpu, memory_bytes = memory, pods = pods }
end

return {
  filter = filter,
  score = score,
  tests = function() return {
    { name = "any node without a pool", call = "filter", input = { pod = pod(), node = node() },
      expect = true },
    { name = "its own pool", call = "filter", input = { pod = pod("gpu"), node = node("gpu") },
      expect = true },
    { name = "another pool is refused", call = "filter",
      input = { pod = pod("gpu"), node = node("web") },
      expect = { false, "node(s) were not in pool gpu" } },
    { name = "no pool is refused", call = "filter", args = { pod("gpu"), node() },
      expect = { false, "node(s) were not in pool gpu" } },
    { name = "an empty node scores 100", call = "score",
      input = { pod = pod(), node = node(), free = free(4000, 8 * 1024 ^ 3, 110) }, expect = 100 },
    { name = "a full node scores 0", call = "score",
      input = { pod = pod(), node = node(), free = free(0, 0, 0) }, expect = 0 },
    { name = "CPU counts double", call = "score",
      input = { pod = pod(), node = node(nil, "2000m"), free = free(1000, 8 * 1024 ^ 3, 0) },
      expect = 50 },
    { name = "overcommitted counts as full", call = "score",
      input = { pod = pod(), node = node(), free = free(-500, 0, 0) }, expect = 0 },
    { name = "nothing known scores 0", call = "score", args = { pod(), { metadata = {} } }, expect = 0 },
  } end,
}
