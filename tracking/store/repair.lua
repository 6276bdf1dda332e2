#!lua
-- Makes keys what they must be, in one step: compare-and-set on the entry at which the usage stream stands. What they
-- must be was counted up to that entry; when aimeter has shipped more since, nothing is changed, and the caller counts on.
--
-- KEYS: meta, usage stream, then the keys of the operations. ARGV[1], in MessagePack: data set id, entry id, operations.
-- An operation: type, key (its place in KEYS), staged key (place, 0 = none), when it expires (seconds since the epoch,
-- 0 = never), field of the old hash that stays ('' = none), elements. Without elements and staged key the key goes.
-- Returns {'ok'}, {'moved', entry id}, {'dataset', id}, {'unstaged'}.

local call = redis.call
local meta, usage = KEYS[1], KEYS[2]
local dataset, last, operations = unpack(cmsgpack.unpack(ARGV[1]))
local at_once = 1000  -- elements of one command, an even number

for _, words in ipairs({{'UNLINK', usage}, {'RENAME', usage, usage}, {'PERSIST', usage}, {'SET', usage, '1'},
    {'SADD', usage, '1'}, {'EXPIREAT', usage, '1'}, {'HSET', usage, '1', '1'}, {'HINCRBY', usage, '1', '1'},
    {'ZADD', usage, '1', '1'}}) do
    if not redis.acl_check_cmd(unpack(words)) then
        return redis.error_reply('NOPERM this user has no permission to run ' .. words[1])
    end
end

local held = call('HGET', meta, 'dataset') or ''
if held ~= dataset then return {'dataset', held} end
local stands = '0-0'
if call('EXISTS', usage) == 1 then
    local info = call('XINFO', 'STREAM', usage)
    for i = 1, 40, 2 do
        if info[i] == 'last-generated-id' then stands = info[i + 1] end
    end
end
if stands ~= last then return {'moved', stands} end
for _, op in ipairs(operations) do
    if op[3] > 0 and call('EXISTS', KEYS[op[3]]) == 0 then return {'unstaged'} end
end

local add = {hash = 'HSET', zset = 'ZADD', set = 'SADD', string = 'SET'}
for _, op in ipairs(operations) do
    local kind, key, staged, expires, stays, elements = op[1], KEYS[op[2]], KEYS[op[3]], op[4], op[5], op[6]
    local old = stays ~= '' and call('TYPE', key).ok == 'hash' and call('HGET', key, stays)
    if not staged then call('UNLINK', key) end
    for i = 1, #elements, at_once do
        call(add[kind], staged or key, unpack(elements, i, math.min(i + at_once - 1, #elements)))
    end
    if staged then call('RENAME', staged, key) end
    if old and #elements > 0 then call('HSET', key, stays, old) end
    if expires > 0 then
        call('EXPIREAT', key, expires)
    elseif staged then
        call('PERSIST', key)
    end
end
call('HINCRBY', meta, 'repairs', 1)  -- whoever remembers what he has read reads it anew
return {'ok'}
