-- The meter as it is usually written: a timer for each request, since cosockets do not exist while a request is logged;
-- in it the answer is parsed, and both records and all counters go out in one pipeline over a kept connection.
local cjson = require "cjson.safe"
local resp = require "resp"
local meter = require "meter"

local usual = {}
local command = resp.command

function usual.body()
    local ctx = ngx.ctx
    local parts = ctx.answer or {}
    ctx.answer = parts
    parts[#parts + 1] = ngx.arg[1]
end

local function record(premature, path, what)
    if premature then return end
    local answer = cjson.decode(what.body) or {}
    local usage = answer.usageMetadata or {}
    local input, output = usage.promptTokenCount or 0, usage.candidatesTokenCount or 0
    local nano = math.floor((input * meter.input_usd + output * meter.output_usd) * 1e9 + 0.5)
    local cost = string.format("%.9f", nano / 1e9)
    local success = (what.status >= 200 and what.status < 400) and 1 or 0
    local model = answer.modelVersion or "unknown"
    local ms = math.floor(what.started * 1000)
    local day, month = os.date("!%Y-%m-%d", what.started), os.date("!%Y-%m", what.started)
    local sums = { "meter:usage:total", "meter:usage:day:" .. day }
    local feature_key = "meter:usage:day:" .. day .. ":feature:" .. what.content_type
    local model_key = "meter:usage:day:" .. day .. ":model:" .. model
    local provider_key = "meter:usage:day:" .. day .. ":provider:gemini"
    local month_key, user_key = "meter:usage:month:" .. month, "meter:usage:month:" .. month .. ":user:" .. what.user
    local all = {
        command("XADD", "meter:usage", "*", "id", what.id, "requestId", what.id, "ts", ms, "userId", what.user,
            "userSource", "header", "provider", "gemini", "aiModel", model, "contentType", what.content_type, "feature",
            what.content_type, "inputTokens", input, "outputTokens", output, "tokensUsed", input + output, "usageSource",
            "body", "cost", cost, "costSource", "catalogue", "priceId", model, "cached", 0, "success", success, "status",
            what.status, "finishReason", "STOP", "requestDuration", what.duration * 1000, "upstreamDuration",
            (tonumber(what.upstream) or 0) * 1000, "ttft", (tonumber(what.first) or 0) * 1000, "stream", 0, "estimated", 0,
            "outcome", "ok"),
        command("XADD", "meter:analytics", "*", "event", "ai_generation", "id", what.id, "userId", what.user,
            "contentType", what.content_type, "model", model, "cached", 0, "feature", what.content_type, "cost", cost,
            "success", success, "ts", ms),
    }
    local function add(key, field, by) all[#all + 1] = command("HINCRBY", key, field, by) end
    for _, key in ipairs(sums) do
        add(key, "requests", 1)
        add(key, "success", success)
        add(key, "inputTokens", input)
        add(key, "outputTokens", output)
        add(key, "costNanoUsd", nano)
    end
    for _, key in ipairs { month_key, user_key } do
        add(key, "requests", 1)
        add(key, "tokens", input + output)
        add(key, "costNanoUsd", nano)
    end
    for _, key in ipairs { feature_key, model_key } do
        add(key, "requests", 1)
        add(key, "costNanoUsd", nano)
    end
    add(provider_key, "requests", 1)
    local ok, err = resp.pipeline(path, all)
    if not ok then ngx.log(ngx.ERR, "not recorded: ", err) end
end

function usual.log(path)
    if ngx.var.request_method ~= "POST" then return end
    local var = ngx.var
    local ok, err = ngx.timer.at(0, record, path, {
        id = var.request_id,
        user = var.http_x_user_id or "anonymous",
        content_type = meter.content_type(var.uri),
        status = ngx.status,
        started = ngx.req.start_time(),
        duration = tonumber(var.request_time),
        upstream = var.upstream_response_time,
        first = var.upstream_header_time,
        body = table.concat(ngx.ctx.answer or {}),
    })
    if not ok then ngx.log(ngx.ERR, "not recorded: ", err) end
end

function usual.start() end

return usual
