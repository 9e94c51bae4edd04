-- Keeps the mean CPU use of the ready Pods at a share of what they request, by the law of
-- autoscaling/v2: replicas * use / target, rounded up, left alone within the tolerance.
local defaults = { target = 80, tolerance = 0.1, hold_down = "5m" }

local function param(ctx, name)
  local p = ctx.params
  local value = p and p[name]
  if value == nil then return defaults[name] end
  return value
end

local function scale(ctx)
  local use = ctx.cpu_utilization
  if use == nil or ctx.ready == 0 then
    return ctx.replicas, "no CPU figure: keep"
  end
  local ratio = use / param(ctx, "target")
  if math.abs(ratio - 1) <= param(ctx, "tolerance") then
    return ctx.replicas, string.format("cpu %d%% is on target", policy.round(use))
  end
  local want = policy.clamp(math.ceil(ctx.ready * ratio), ctx.min, ctx.max)
  local hold = policy.seconds(param(ctx, "hold_down"))
  if want < ctx.replicas and math.min(ctx.since_up_s, ctx.since_down_s) < hold then
    return ctx.replicas, "fewer would do, held after the last change"
  end
  return want, string.format("cpu %d%% of a target of %d%%", policy.round(use),
                             policy.round(param(ctx, "target")))
end

local function case(t)
  local ctx = { replicas = 2, ready = 2, min = 1, max = 10, now_ms = 0, since_up_s = 9999,
                since_down_s = 9999, cpu_utilization = 80, params = {}, pods = {} }
  for k, v in pairs(t) do ctx[k] = v end
  return ctx
end

return {
  scale = scale,
  tests = function() return {
    { name = "on target stays", input = case {}, expect = { 2, "cpu 80% is on target" } },
    { name = "within the tolerance stays", input = case { cpu_utilization = 87 }, expect = 2 },
    { name = "double use, double replicas", input = case { cpu_utilization = 160 }, expect = 4 },
    { name = "rounds up", input = case { cpu_utilization = 90 }, expect = 3 },
    { name = "never over max", input = case { cpu_utilization = 2000 }, expect = 10 },
    { name = "never under min", input = case { cpu_utilization = 0, min = 2, replicas = 4, ready = 4 },
      expect = 2 },
    { name = "own target", input = case { cpu_utilization = 100, params = { target = 50 } },
      expect = { 4, "cpu 100% of a target of 50%" } },
    { name = "holds after a scale-up", input = case { cpu_utilization = 10, since_up_s = 60 },
      expect = { 2, "fewer would do, held after the last change" } },
    { name = "holds after a scale-down", input = case { cpu_utilization = 10, since_down_s = 60 },
      expect = 2 },
    { name = "up is never held", input = case { cpu_utilization = 160, since_up_s = 1 }, expect = 4 },
    { name = "a pod that is not ready does not count",
      input = case { cpu_utilization = 160, replicas = 3, ready = 2 }, expect = 4 },
    { name = "no figure keeps", input = { replicas = 3, ready = 3, min = 1, max = 9 },
      expect = { 3, "no CPU figure: keep" } },
    { name = "no Pod ready keeps", input = case { replicas = 3, ready = 0 }, expect = 3 },
  } end,
}
