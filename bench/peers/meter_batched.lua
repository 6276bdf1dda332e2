-- The meter as somebody would tune it: what a request said is looked for instead of parsed, records are text at once and
-- wait in their worker, and every 100 ms one pipeline takes them to Redis, with each counter summed up before.
local resp = require "resp"
local meter = require "meter"
local clear = require "table.clear"

local batched = {}
local bulk, command = resp.bulk, resp.command
local find, sub, tonumber, floor = string.find, string.sub, tonumber, math.floor

local pieces, used, requests = {}, 0, 0 -- commands that wait, as text
local totals = { success = 0, input = 0, output = 0, nano = 0 }
local by_label, by_user = {}, {}        -- name of a hash's end -> { requests, tokens, nano }

-- Everything of a record that never changes, written once.
local function constant(...)
    local out = {}
    for i = 1, select("#", ...) do out[i] = bulk((select(i, ...))) end
    return table.concat(out)
end
local usage_begin = "*55\r\n" .. constant("XADD", "meter:usage", "*", "userSource", "header", "provider", "gemini",
    "usageSource", "body", "costSource", "catalogue", "cached", 0, "stream", 0, "estimated", 0, "outcome", "ok",
    "finishReason", "STOP", "id")
local analytics_begin = "*23\r\n" .. constant("XADD", "meter:analytics", "*", "event", "ai_generation", "cached", 0, "id")
local names = {}
for _, name in ipairs { "requestId", "ts", "userId", "aiModel", "contentType", "feature", "inputTokens", "outputTokens",
    "tokensUsed", "cost", "priceId", "success", "status", "requestDuration", "upstreamDuration", "ttft", "model" } do
    names[name] = bulk(name)
end

local function put(text)
    used = used + 1
    pieces[used] = text
end

local function count(of, name, tokens, nano)
    local sums = of[name]
    if not sums then
        of[name] = { 1, tokens, nano }
        return
    end
    sums[1], sums[2], sums[3] = sums[1] + 1, sums[2] + tokens, sums[3] + nano
end

local function number_behind(text, name)
    local _, last = find(text, name, 1, true)
    if not last then return 0 end
    local _, _, digits = find(text, "^(%d+)", last + 1)
    return tonumber(digits) or 0
end

function batched.body()
    local piece = ngx.arg[1]
    if piece == "" then return end
    local ctx = ngx.ctx
    ctx.answer = ctx.answer and ctx.answer .. piece or piece
end

function batched.log()
    local var = ngx.var
    local tail = ngx.ctx.answer
    if not tail then return end
    tail = sub(tail, -1000) -- usage stands at the end
    local input, output = number_behind(tail, '"promptTokenCount":'), number_behind(tail, '"candidatesTokenCount":')
    local _, _, model = find(tail, '"modelVersion":"([^"]+)"')
    model = model or "unknown"
    local status = ngx.status
    local success = status >= 200 and status < 400 and 1 or 0
    local nano = floor((input * meter.input_usd + output * meter.output_usd) * 1e9 + 0.5)
    local user, content_type = var.http_x_user_id or "anonymous", meter.content_type(var.uri)

    local id, ts, who = bulk(var.request_id), bulk(floor(ngx.req.start_time() * 1000)), bulk(user)
    local kind, named, cost = bulk(content_type), bulk(model), bulk(nano * 1e-9)
    local worked = bulk(success)
    put(usage_begin .. id .. names.requestId .. id .. names.ts .. ts .. names.userId .. who .. names.aiModel .. named ..
        names.contentType .. kind .. names.feature .. kind .. names.inputTokens .. bulk(input) .. names.outputTokens ..
        bulk(output) .. names.tokensUsed .. bulk(input + output) .. names.cost .. cost .. names.priceId .. named ..
        names.success .. worked .. names.status .. bulk(status) .. names.requestDuration .. bulk(var.request_time) ..
        names.upstreamDuration .. bulk(var.upstream_response_time) .. names.ttft .. bulk(var.upstream_header_time))
    put(analytics_begin .. id .. names.userId .. who .. names.contentType .. kind .. names.model .. named ..
        names.feature .. kind .. names.cost .. cost .. names.success .. worked .. names.ts .. ts)

    requests = requests + 1
    totals.success, totals.input = totals.success + success, totals.input + input
    totals.output, totals.nano = totals.output + output, totals.nano + nano
    count(by_label, "feature:" .. content_type, input + output, nano)
    count(by_label, "model:" .. model, input + output, nano)
    count(by_label, "provider:gemini", input + output, nano)
    count(by_user, user, input + output, nano)
end

local function put_counters()
    local lines = 0
    local function add(key, field, by)
        put(command("HINCRBY", key, field, by))
        lines = lines + 1
    end
    local day, month = os.date("!%Y-%m-%d"), os.date("!%Y-%m")
    for _, key in ipairs { "meter:usage:total", "meter:usage:day:" .. day, "meter:usage:month:" .. month } do
        add(key, "requests", requests)
        add(key, "success", totals.success)
        add(key, "inputTokens", totals.input)
        add(key, "outputTokens", totals.output)
        add(key, "costNanoUsd", totals.nano)
    end
    for prefix, of in pairs { ["meter:usage:day:" .. day .. ":"] = by_label, ["meter:usage:month:" .. month .. ":user:"] = by_user } do
        for name, sums in pairs(of) do
            add(prefix .. name, "requests", sums[1])
            add(prefix .. name, "tokens", sums[2])
            add(prefix .. name, "costNanoUsd", sums[3])
        end
    end
    return lines
end

local function flush(_, path)
    if requests == 0 then return end
    local lines = 4 * requests + put_counters() -- an XADD answers with two lines
    local sending = pieces
    pieces, used, requests = {}, 0, 0
    totals.success, totals.input, totals.output, totals.nano = 0, 0, 0, 0
    clear(by_label)
    clear(by_user)
    local ok, err = resp.batch(path, sending, lines)
    if not ok then ngx.log(ngx.ERR, "not recorded: ", err) end
end

function batched.start(path) ngx.timer.every(0.1, flush, path) end

return batched
