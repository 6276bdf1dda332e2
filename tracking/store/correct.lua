#!lua
-- Makes what was staged the corrections of a day, with their sums, in one step: before it the earlier ones hold, after
-- it these, and running it again changes nothing. The records and counters that it corrects are not touched.
--
-- KEYS: hash of the day's sums, stream of its corrections, staged stream, set of the days that have corrections.
-- ARGV: day, when the keys expire (seconds since the epoch), number of staged entries, then the hash's fields and
-- values, 'recordsRead' being the first.
-- Returns {'ok'}, or {'kept', n}: the earlier corrections were made from more records (n) than are left now.

local call = redis.call
local sums, corrections, staged, days = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local day, expires, entries = ARGV[1], ARGV[2], tonumber(ARGV[3])

-- All that could fail is checked first: a script that fails half-way keeps its earlier writes.
for _, command in ipairs({'UNLINK', 'RENAME', 'HSET', 'SADD', 'EXPIREAT'}) do
    if not redis.acl_check_cmd(command, sums, corrections) then
        return redis.error_reply('NOPERM this user has no permission to run ' .. command)
    end
end
for key, wanted in pairs({[sums] = 'hash', [corrections] = 'stream', [staged] = 'stream', [days] = 'set'}) do
    local kind = call('TYPE', key).ok
    if kind ~= wanted and kind ~= 'none' then
        return redis.error_reply('WRONGTYPE the key ' .. key .. ' holds a ' .. kind .. ' where a ' .. wanted .. ' belongs')
    end
end
if call('EXISTS', staged) == 1 and call('XLEN', staged) ~= entries or call('EXISTS', staged) == 0 and entries > 0 then
    return redis.error_reply('ERR the staged corrections of ' .. day .. ' are not complete; run the command again')
end

local before = tonumber(call('HGET', sums, 'recordsRead') or '0') or 0
if before > tonumber(ARGV[5]) then
    call('UNLINK', staged)
    return {'kept', before}
end

if entries > 0 then
    call('RENAME', staged, corrections)
    call('EXPIREAT', corrections, expires)
else
    call('UNLINK', corrections)
end
call('UNLINK', sums)
call('HSET', sums, unpack(ARGV, 4))
call('EXPIREAT', sums, expires)
call('SADD', days, day)
return {'ok'}
