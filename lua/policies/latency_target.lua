-- Keeps the response latency, measured in the kernel from the arrival of a request, under a target.
-- Up: in proportion to the excess, at most doubled in one step. Down: one replica at a time, only
-- where the latency is well below the target and the last change is long enough ago.
local defaults = { target_ms = 50, low = 0.5, hold_up = "2s", hold_down = "5m", percentile = 99 }

local function param(ctx, name)
  local p = ctx.params
  local value = p and p[name]
  if value == nil then return defaults[name] end
  return value
end

-- A mean where the asked percentile is not measured (a node without BPF).
local function latency(ctx)
  local name = "p" .. policy.round(param(ctx, "percentile"))
  if ctx[name .. "_ms"] ~= nil then return ctx[name .. "_ms"], name end
  return ctx.mean_ms, "mean"
end

local function scale(ctx)
  local target = param(ctx, "target_ms")
  local now, name = latency(ctx)
  local is_idle = ctx.rps == 0 and (ctx.inflight or 0) == 0
  if (now == nil and not is_idle) or ctx.ready == 0 then
    return ctx.replicas, "no latency figure: keep"
  end
  now = is_idle and 0 or now
  local why = string.format("%s %.1f ms, target %g ms", name, now, target)
  if now > target then
    if ctx.since_up_s < policy.seconds(param(ctx, "hold_up")) then
      return ctx.replicas, why .. ", waiting for the last step to show"
    end
    local want = math.ceil(ctx.ready * math.min(now / target, 2))
    return policy.clamp(math.max(want, ctx.replicas), ctx.min, ctx.max), why
  end
  local hold = policy.seconds(param(ctx, "hold_down"))
  local rested = math.min(ctx.since_up_s, ctx.since_down_s) >= hold
  if now < target * param(ctx, "low") and rested then
    return policy.clamp(ctx.replicas - 1, ctx.min, ctx.max), why
  end
  return ctx.replicas, why
end

local function case(t)
  local ctx = { replicas = 2, ready = 2, min = 1, max = 10, now_ms = 0, since_up_s = 9999,
                since_down_s = 9999, rps = 100, p99_ms = 40, mean_ms = 10, params = {}, pods = {} }
  for k, v in pairs(t) do ctx[k] = v end
  return ctx
end

return {
  scale = scale,
  tests = function() return {
    { name = "near the target stays", input = case {}, expect = { 2, "p99 40.0 ms, target 50 ms" } },
    { name = "half over adds half", input = case { p99_ms = 75 }, expect = 3 },
    { name = "at most doubles", input = case { p99_ms = 900 }, expect = 4 },
    { name = "never over max", input = case { p99_ms = 900, max = 3 }, expect = 3 },
    { name = "waits for the last step", input = case { p99_ms = 900, since_up_s = 1 }, expect = 2 },
    { name = "never down while slow", input = case { p99_ms = 60, replicas = 4, ready = 1 },
      expect = 4 },
    { name = "well below goes down by one", input = case { p99_ms = 10, replicas = 3, ready = 3 },
      expect = 2 },
    { name = "holds after a scale-up", input = case { p99_ms = 10, since_up_s = 10 }, expect = 2 },
    { name = "no requests count as fast", input = { replicas = 3, ready = 3, min = 1, max = 9,
      since_up_s = 999, since_down_s = 999, rps = 0 }, expect = 2 },
    { name = "one stuck request is no idleness", input = case { rps = 0, inflight = 1, p99_ms = 90 },
      expect = 4 },
    { name = "not under min", input = case { p99_ms = 1, replicas = 1, ready = 1 }, expect = 1 },
    { name = "mean where p99 is not measured", input = { replicas = 1, ready = 1, min = 1, max = 9,
      since_up_s = 99, since_down_s = 99, rps = 5, mean_ms = 100 },
      expect = { 2, "mean 100.0 ms, target 50 ms" } },
    { name = "own percentile", input = case { p90_ms = 100, params = { percentile = 90 } }, expect = 4 },
    { name = "no figure keeps", input = { replicas = 3, ready = 3, min = 1, max = 9 },
      expect = { 3, "no latency figure: keep" } },
  } end,
}
