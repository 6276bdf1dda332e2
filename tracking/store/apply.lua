#!lua
-- Applies one batch: compare-and-set on the position of each journal that it has records of, then both streams, all
-- counters and the new positions. Everything that could fail is read and checked first; from the first write on nothing can.
-- A script that fails half-way would keep its earlier writes.
--
-- KEYS: every key that the batch touches; the first six are meta, journals, usage stream, analytics stream, total
-- and checkpoints. ARGV[1]: the batch in MessagePack (batch_command.cpp packs it).
-- Returns {'ok', second, microsecond} with when it began, or with nothing applied {'position', journal, held}, {'dataset', held}, or an error naming the key.

local call, try = redis.call, redis.pcall
local format, floor, find = string.format, math.floor, string.find
local meta, journals, usage, analytics, total, checkpoints =
    KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local shares, dataset, maxlen, step, errors_max, field_lists,
    shapes, entries, count, hashes, texts, zsets, errors, actives, latest = unpack(cmsgpack.unpack(ARGV[1]))

-- A user whose rights end in the middle would leave half a batch; and Redis does not say which command it refused.
for _, command in ipairs({'XADD', 'XTRIM', 'HSET', 'HINCRBY', 'ZADD', 'SADD', 'PFADD', 'RPUSH', 'LPOP', 'EXPIREAT',
                          'TYPE', 'TIME', 'HMGET', 'ZMSCORE', 'ZSCORE', 'ZCARD', 'GETRANGE', 'XINFO'}) do
    local first = command == 'XINFO' and 'STREAM' or usage
    if not redis.acl_check_cmd(command, first, usage, '1', '1') then
        return redis.error_reply('NOPERM this user has no permission to run ' .. command)
    end
end

local problem
local function refuse(key, text)
    problem = problem or redis.error_reply('WRONGTYPE the key ' .. key .. ' ' .. text)
end
-- The key's type, after a check that it is the wanted one or none.
local function check(key, wanted)
    local kind = call('TYPE', key).ok
    if kind ~= wanted and kind ~= 'none' then refuse(key, 'holds a ' .. kind .. ' where a ' .. wanted .. ' belongs') end
    return kind
end

---- Is this batch the next one, of this data set?
local ask = {'HMGET', journals}  -- a share: the journal, its position before, its position after
for i = 1, #shares, 3 do ask[#ask + 1] = shares[i] end
local held = try(unpack(ask))
local set_id = try('HMGET', meta, 'dataset', 'trimmedEntries', 'latestTs')
if held.err then return redis.error_reply('WRONGTYPE the key ' .. journals .. ' holds no hash') end
if set_id.err then return redis.error_reply('WRONGTYPE the key ' .. meta .. ' holds no hash') end
if (set_id[1] or '') ~= dataset then return {'dataset', set_id[1] or ''} end
for i = 1, #shares, 3 do
    local position = held[(i + 2) / 3] or '0'
    if position ~= shares[i + 1] then return {'position', shares[i], position} end
end

---- Read and check: streams
local function last_id(key)
    if check(key, 'stream') ~= 'stream' then return 0, 0 end
    local info = call('XINFO', 'STREAM', key)
    for i = 1, 40, 2 do
        if info[i] == 'last-generated-id' then
            local ms, seq = string.match(info[i + 1], '^(%d+)-(%d+)$')
            return tonumber(ms), tonumber(seq)
        end
    end
end
local ms, seq = last_id(usage)
local other_ms, other_seq = last_id(analytics)
if other_ms > ms or (other_ms == ms and other_seq > seq) then ms, seq = other_ms, other_seq end
local now = call('TIME')
local now_ms = now[1] * 1000 + floor(now[2] / 1000)
if now_ms > ms then ms, seq = now_ms, -1 end
if seq > 1e15 then ms, seq = ms + 1, -1 end  -- ids count on from the last one when Redis's clock stepped back
check(checkpoints, 'list')

---- Read and check: hashes. Sums of up to 15 digits are exact in Lua's doubles, longer ones go through HINCRBY.
-- All commands to come lie one after the other in `plan`; `ends` says where each ends, `expiries` when its key expires.
local plan, top, ends, expiries, commands = {}, 0, {}, {}, 0
local increments, sets, get = {}, {}, {'HMGET'}
local reading  -- the key that is being read
local function add_command(expire)
    commands = commands + 1
    ends[commands], expiries[commands] = top, expire or 0
end
local function join(set, label, expire)
    local of = sets[set]
    if not of then
        of = {'SADD', set, fresh = check(set, 'set') == 'none' and expire}
        sets[set] = of
    end
    of[#of + 1] = label
end
-- nil: Redis itself will add up, its 64 bits reach further. It takes nothing but plain decimals, and would say so only
-- when half of the batch is written.
local function long_sum(key, field, old, by)
    if not find(old, '^-?[1-9]%d*$') and old ~= '0' then error() end
    local sum = tonumber(old) + tonumber(by)
    if sum > 9.2e18 then return '9223372036854775807' end
    if sum < -9.2e18 then return '-9223372036854775808' end
    increments[#increments + 1] = {'HINCRBY', key, field, type(by) == 'number' and format('%d', by) or by}
end
local function add_new_bucket(key, fields, at, n)  -- it shows every field of its list
    local values = {}
    for i = at, at - 2 + 2 * n, 2 do
        local by = hashes[i + 1]
        values[fields[hashes[i]]] = type(by) == 'number' and format('%d', by) or by
    end
    plan[top + 1], plan[top + 2] = 'HSET', key
    for i, field in ipairs(fields) do plan[top + 1 + 2 * i], plan[top + 2 + 2 * i] = field, values[field] or '0' end
    top = top + 2 + 2 * #fields
end
-- A hash lies in `hashes` as key, expiry, set of labels and label that a new one joins, list of fields (0 = by name),
-- number of fields, and then each field with what to add.
local head = 6
local function read_hash(at)
    local key, expire, set, label = KEYS[hashes[at]], hashes[at + 1], hashes[at + 2], hashes[at + 3]
    local fields, n = field_lists[hashes[at + 4]], hashes[at + 5]
    reading = key
    local first = at + head - 2
    get[1], get[2] = 'HMGET', key
    if fields then
        for i = 1, n do get[i + 2] = fields[hashes[first + 2 * i]] end
    else
        for i = 1, n do get[i + 2] = hashes[first + 2 * i] end
    end
    local old = try(unpack(get, 1, n + 2))
    if old.err then return refuse(key, 'holds no hash') end
    local from, new = top, true
    plan[top + 1], plan[top + 2] = 'HSET', key
    top = top + 2
    for i = 1, n do
        local was, by, value = old[i], hashes[first + 1 + 2 * i]
        local number = type(by) == 'number'
        if not was then
            value = number and format('%d', by) or by
        else
            new = false
            if number and #was <= 15 then
                -- Lua would count on from '0.5', '1e3' and '0x10' as well.
                if find(was, '%D') and not find(was, '^-%d+$') then error() end
                value = format('%d', was + by)
            else
                value = long_sum(key, get[i + 2], was, by)
            end
        end
        if value then
            plan[top + 1], plan[top + 2] = get[i + 2], value
            top = top + 2
        end
    end
    if new and fields then
        top = from
        add_new_bucket(key, fields, at + head, n)
    end
    if top == from + 2 then top = from else add_command(new and expire) end
    if new and set > 0 then join(KEYS[set], label, expire) end
end
local function read_hashes()
    local at, size = 1, #hashes
    while at <= size and not problem do
        read_hash(at)
        at = at + head + 2 * hashes[at + 5]
    end
end
if not pcall(read_hashes) then refuse(reading, 'has a field that is no integer') end

---- Read and check: sorted sets
local function score(value) return value < 1e15 and format('%d', value) or format('%.17g', value) end
local at, size = 1, #zsets
while at <= size and not problem do
    local key, expire, n = KEYS[zsets[at]], zsets[at + 1], zsets[at + 2]
    local new = check(key, 'zset') == 'none'
    get[1], get[2] = 'ZMSCORE', key
    for i = 1, n do get[i + 2] = zsets[at + 1 + 2 * i] end
    local old = not new and not problem and call(unpack(get, 1, n + 2)) or {}
    plan[top + 1], plan[top + 2] = 'ZADD', key
    for i = 1, n do
        plan[top + 1 + 2 * i] = score((tonumber(old[i]) or 0) + tonumber(zsets[at + 2 + 2 * i]))
        plan[top + 2 + 2 * i] = get[i + 2]
    end
    top = top + 2 + 2 * n
    add_command(new and expire)
    at = at + 3 + 2 * n
end
at, size = 1, #errors
while at <= size and not problem do
    local key, expire, n = KEYS[errors[at]], errors[at + 1], errors[at + 2]
    local new = check(key, 'zset') == 'none'
    if problem then break end
    local members, sums = call('ZCARD', key), {}
    for i = 1, n do
        local message, by = errors[at + 1 + 2 * i], errors[at + 2 + 2 * i]
        local old = call('ZSCORE', key, message)
        if not old and not sums[message] then
            if members >= errors_max then message = 'other' else members = members + 1 end
        end
        sums[message] = (sums[message] or tonumber(call('ZSCORE', key, message) or 0)) + by
    end
    plan[top + 1], plan[top + 2] = 'ZADD', key
    top = top + 2
    for message, sum in pairs(sums) do
        plan[top + 1], plan[top + 2] = score(sum), message
        top = top + 2
    end
    add_command(new and expire)
    at = at + 3 + 2 * n
end

---- Read and check: HyperLogLogs
at, size = 1, #actives
while at <= size and not problem do
    local key, expire, n = KEYS[actives[at]], actives[at + 1], actives[at + 2]
    local kind = check(key, 'string')
    if kind == 'string' and call('GETRANGE', key, 0, 3) ~= 'HYLL' then refuse(key, 'holds no HyperLogLog') end
    plan[top + 1], plan[top + 2] = 'PFADD', key
    for i = 1, n do plan[top + 2 + i] = actives[at + 2 + i] end
    top = top + 2 + n
    add_command(kind == 'none' and expire)
    at = at + 3 + n
end
if problem then return problem end

---- Write: both streams, entry by entry with the same id
-- The entries of one shape (set of fields) are written by a function made for it. It takes the values as arguments, so
-- that cmsgpack.unpack puts them where they are used, with no table in between.
local function writer_of(shape)
    local names, picks = shape[1], shape[2]
    local values, whole, brief = {'id'}, {'usage,id'}, {'analytics,id,"event","ai_generation"'}
    for i, name in ipairs(names) do
        values[i + 1] = 'v' .. i
        whole[i + 1] = format('%q,v%d', name, i)
    end
    for i = 1, #picks, 2 do brief[#brief + 1] = format('%q,v%d', picks[i], picks[i + 1]) end
    return loadstring('local call,usage,analytics=... return function(' .. table.concat(values, ',') ..
        ') call("XADD",' .. table.concat(whole, ',') .. ') call("XADD",' .. table.concat(brief, ',') .. ') end')(
        call, usage, analytics)
end
local writers, id = {}
for i, shape in ipairs(shapes) do writers[i] = writer_of(shape) end
for i = 1, #entries, 2 do
    seq = seq + 1
    id = format('%d-%d', ms, seq)
    writers[entries[i]](id, cmsgpack.unpack(entries[i + 1]))
end

---- Write: counters
local from = 1
for i = 1, commands do
    call(unpack(plan, from, ends[i]))
    if expiries[i] ~= 0 then call('EXPIREAT', plan[from + 1], expiries[i]) end
    from = ends[i] + 1
end
for _, increment in ipairs(increments) do call(unpack(increment)) end
for i = 1, #texts, 3 do call('HSET', KEYS[texts[i]], texts[i + 1], texts[i + 2]) end
for set, members in pairs(sets) do
    call(unpack(members))
    if members.fresh and members.fresh ~= 0 then call('EXPIREAT', set, members.fresh) end
end

---- Write: a checkpoint every `step` entries, and streams trimmed to checkpoints only, so that verify adds up
-- A checkpoint is "entry-id entries cost latest-ts counter=value...": the last entry before it, how many there were until
-- then and what they cost, the latest arrival among them, and all counters of the total. With that, verify knows what
-- trimmed entries had added to the total, and which periods have none of them.
local latest_ts = tonumber(set_id[3] or 0) or 0
if tonumber(latest) > latest_ts then
    latest_ts = tonumber(latest)
    call('HSET', meta, 'latestTs', format('%d', latest_ts))
end
local sum = call('HMGET', total, 'requests', 'costNanoUsd')
local reached = tonumber(sum[1])
if floor((reached - count) / step) ~= floor(reached / step) then
    local all = call('HMGET', total, unpack(field_lists[1]))
    for i, name in ipairs(field_lists[1]) do all[i] = name .. '=' .. (all[i] or '0') end
    call('RPUSH', checkpoints, table.concat({id, sum[1], sum[2] or '0', format('%d', latest_ts)}, ' ') .. ' ' ..
        table.concat(all, ' '))
end
local trimmed = tonumber(set_id[2] or 0) or 0
-- Checkpoints from before `maxlen` was lowered stand far apart: rather more is kept for a while than next to nothing.
local function take_checkpoint()
    local oldest = try('LINDEX', checkpoints, 0)  -- a user with the rights of before may not
    local upto = type(oldest) == 'string' and string.match(oldest, '^%S+ (%d+)')
    return not (upto and reached - upto < 0.85 * maxlen) and call('LPOP', checkpoints)
end
for _ = 1, 4 do
    if maxlen == 0 or reached - trimmed <= maxlen then break end
    local checkpoint = take_checkpoint()
    if not checkpoint then break end
    local to_ms, to_seq, upto, cost, more = string.match(checkpoint, '^(%d+)-(%d+) (%d+) (-?%d+)(.*)$')
    if not upto then break end
    if trimmed == 0 then
        local first = try('XRANGE', usage, '-', '+', 'COUNT', 1)[1]  -- where this user may not, nobody will know
        if first then call('HSET', meta, 'trimmedFrom', first[1]) end
    end
    local first_kept = to_ms .. '-' .. format('%d', to_seq + 1)
    call('XTRIM', usage, 'MINID', first_kept)
    call('XTRIM', analytics, 'MINID', first_kept)
    local latest_of, counters = string.match(more, '^ (%d+) (.*)$')
    call('HSET', meta, 'trimmedTo', to_ms .. '-' .. to_seq, 'trimmedEntries', upto, 'trimmedCostNanoUsd', cost,
        'trimmedLatestTs', latest_of or '', 'trimmedCounters', counters or '')
    trimmed = tonumber(upto)
end

for i = 1, #shares, 3 do call('HSET', journals, shares[i], shares[i + 2]) end
return {'ok', now[1], now[2]}
