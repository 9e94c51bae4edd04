-- CPU, latency and concurrency together: each gives the replicas that it needs, the largest wins.
-- A figure that is missing never scales down. Up waits hold_up after the last step up, so that it can
-- show; down waits hold_down after the last change, goes by a share at a time, and never below what
-- was wanted at any moment of hold_down (the stabilisation window of autoscaling/v2).
local defaults = { cpu = 80, latency_ms = 50, inflight = nil, tolerance = 0.1, down_share = 0.5,
                   hold_up = "1s", hold_down = "5m" }

local function param(ctx, name)
  local p = ctx.params
  local value = p and p[name]
  if value == nil then return defaults[name] end
  return value
end

local function proportional(ctx, value, target)
  local ratio = value / target
  if math.abs(ratio - 1) <= param(ctx, "tolerance") then return ctx.replicas end
  return math.ceil(ctx.ready * ratio)
end

-- Each: the replicas that it needs, or nil where it knows nothing; and its words.
local signals = {
  function(ctx)
    local use, target = ctx.cpu_utilization, param(ctx, "cpu")
    if use == nil or not target then return nil end
    return proportional(ctx, use, target), string.format("cpu %d%%", policy.round(use))
  end,
  function(ctx)
    local target = param(ctx, "latency_ms")
    local now = ctx.p99_ms or ctx.mean_ms
    if ctx.rps == 0 and (ctx.inflight or 0) == 0 then return ctx.min, "no requests" end
    if now == nil or not target then return nil end
    local words = string.format("latency %.1f ms", now)
    if now > target then
      return math.max(ctx.replicas, math.ceil(ctx.ready * math.min(now / target, 2))), words
    end
    return now < target / 2 and ctx.min or ctx.replicas, words
  end,
  function(ctx)
    local target = param(ctx, "inflight")
    if not target or not ctx.pods or #ctx.pods == 0 then return nil end
    local sum = 0
    for _, pod in ipairs(ctx.pods) do
      if pod.ready then sum = sum + (pod.inflight or 0) end
    end
    return math.ceil(sum / target), string.format("%d in flight", sum)
  end,
}

local function largest(ctx)
  local want, words, known = 0, "", 0
  for _, signal in ipairs(signals) do
    local n, text = signal(ctx)
    if n then
      known = known + 1
      if n > want then want, words = n, text end
    end
  end
  return want, words, known
end

-- The most that was wanted within a time.
local function most_wanted(ctx, seconds)
  local most = 0
  for _, r in ipairs(ctx.recent or {}) do
    if r.age_s < seconds then most = math.max(most, r.wanted) end
  end
  return most
end

-- The third value is what the host remembers as wanted, whatever is held back now.
local function scale(ctx)
  if ctx.ready == 0 then return ctx.replicas, "no Pod is ready: keep" end
  local want, words, known = largest(ctx)
  if known == 0 then return ctx.replicas, "no figures: keep" end
  want = policy.clamp(want, ctx.min, ctx.max)
  if want > ctx.replicas then
    if ctx.since_up_s < policy.seconds(param(ctx, "hold_up")) then
      return ctx.replicas, words .. ", waiting for the last step to show", want
    end
    return want, words, want
  end
  if want < ctx.replicas then
    local hold = policy.seconds(param(ctx, "hold_down"))
    if math.min(ctx.since_up_s, ctx.since_down_s) < hold then
      return ctx.replicas, words .. ", down is held", want
    end
    local least = math.floor(ctx.replicas * (1 - param(ctx, "down_share")))
    local most = math.min(most_wanted(ctx, hold), ctx.replicas)
    return policy.clamp(math.max(want, least, most), ctx.min, ctx.max), words, want
  end
  return ctx.replicas, words, want
end

local function case(t)
  local ctx = { replicas = 4, ready = 4, min = 1, max = 10, now_ms = 0, since_up_s = 9999,
                since_down_s = 9999, rps = 100, p99_ms = 40, mean_ms = 10, cpu_utilization = 80,
                params = {}, pods = {} }
  for k, v in pairs(t) do ctx[k] = v end
  return ctx
end

return {
  scale = scale,
  tests = function() return {
    { name = "all on target", input = case {}, expect = 4 },
    { name = "cpu asks for more", input = case { cpu_utilization = 160 }, expect = { 8, "cpu 160%" } },
    { name = "latency asks for more", input = case { p99_ms = 75 }, expect = { 6, "latency 75.0 ms" } },
    { name = "the largest wins", input = case { cpu_utilization = 100, p99_ms = 500 }, expect = 8 },
    { name = "in-flight requests", input = case { params = { inflight = 2 }, replicas = 2, ready = 2,
      pods = { { ready = true, inflight = 7 }, { ready = true, inflight = 4 }, { ready = false } } },
      expect = { 6, "11 in flight" } },
    { name = "up is damped", input = case { cpu_utilization = 160, since_up_s = 0 },
      expect = { 4, "cpu 160%, waiting for the last step to show" } },
    { name = "idle goes down by half", input = case { cpu_utilization = 0, rps = 0 }, expect = 2 },
    { name = "idle after a change is held", input = case { cpu_utilization = 0, rps = 0,
      since_up_s = 30 }, expect = { 4, "no requests, down is held" } },
    { name = "a dip within the window is no reason", input = case { cpu_utilization = 0, rps = 0,
      recent = { { age_s = 0, wanted = 1 }, { age_s = 200, wanted = 6 } } },
      expect = { 4, "no requests", 1 } },
    { name = "down to the most of the window", input = case { cpu_utilization = 0, rps = 0,
      recent = { { age_s = 250, wanted = 3 }, { age_s = 301, wanted = 9 } } }, expect = { 3 } },
    { name = "a hold of seconds", input = case { cpu_utilization = 0, rps = 0, since_up_s = 30,
      params = { hold_down = "10s" } }, expect = 2 },
    { name = "down to min in one step", input = case { cpu_utilization = 0, rps = 0,
      params = { down_share = 1 } }, expect = 1 },
    { name = "one signal alone", input = { replicas = 2, ready = 2, min = 1, max = 5,
      since_up_s = 99, since_down_s = 99, cpu_utilization = 240 }, expect = 5 },
    { name = "no figures keep", input = { replicas = 2, ready = 2, min = 1, max = 5 },
      expect = { 2, "no figures: keep" } },
    { name = "no Pod ready keeps", input = case { ready = 0 }, expect = 4 },
  } end,
}
