-- wrk: POSTs of 486 bytes under /api/ai, from one of $BENCH_USERS users (100), no two requests alike in a row.
local users = tonumber(os.getenv("BENCH_USERS") or "100")
local shapes = math.min(users, 20000)
local requests = {}
local body = '{"contents":[{"parts":[{"text":"' .. string.rep("w", 486 - 38) .. '"}]}]}'
body = body .. string.rep(" ", 486 - #body)

function init(args)
    math.randomseed(os.time())
    for i = 1, shapes do
        local user = users > shapes and math.random(users) or i
        requests[i] = wrk.format("POST", "/api/ai/generate-cover-letter", {
            ["Host"] = "bench.local", ["Content-Type"] = "application/json", ["X-User-Id"] = "user-" .. user }, body)
    end
end

local turn = 0
function request()
    turn = turn % shapes + 1
    return requests[turn]
end
