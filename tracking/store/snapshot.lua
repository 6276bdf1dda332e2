#!lua flags=no-writes
-- Reads sums of hashes at one moment, for `aimeter verify`: what many single reads could not see as one.
--
-- ARGV[1]: questions in MessagePack, each {'hash', key, field...}, {'labels', period key, kind, field...} or
-- {'stream', key}. Returns one array per question: the fields' sums as exact pairs (billions, rest) behind the number
-- of hashes that exist, or entries-added, last id and length of a stream.

local billion = 1e9

local function sums_of(keys, fields)
    local hi, lo, found = {}, {}, 0
    for i = 1, #fields do hi[i], lo[i] = 0, 0 end
    for _, key in ipairs(keys) do
        local values = redis.call('HMGET', key, unpack(fields))
        local any = false
        for i = 1, #fields do
            local sign, digits = string.match(values[i] or '', '^(-?)(%d+)$')
            if digits then
                any = true
                local factor = sign == '-' and -1 or 1
                lo[i] = lo[i] + factor * tonumber(string.sub(digits, -9))
                if #digits > 9 then hi[i] = hi[i] + factor * tonumber(string.sub(digits, 1, -10)) end
                if lo[i] >= billion then hi[i], lo[i] = hi[i] + 1, lo[i] - billion end
            end
        end
        if any then found = found + 1 end
    end
    local answer = {found}
    for i = 1, #fields do
        answer[2 * i] = string.format('%d', hi[i])
        answer[2 * i + 1] = string.format('%d', lo[i])
    end
    return answer
end

local function escape(label)
    return (string.gsub(label, '[^A-Za-z0-9._/@%-]', function(c) return string.format('%%%02X', string.byte(c)) end))
end

local function stream_state(key)
    if redis.call('TYPE', key).ok == 'none' then return {'0', '0-0', '0'} end
    local info, state = redis.call('XINFO', 'STREAM', key), {}
    for i = 1, 40, 2 do
        if info[i] then state[info[i]] = info[i + 1] end
    end
    return {tostring(state['entries-added']), state['last-generated-id'], tostring(state['length'])}
end

local answers = {}
for i, question in ipairs(cmsgpack.unpack(ARGV[1])) do
    local kind = question[1]
    if kind == 'hash' then
        answers[i] = sums_of({question[2]}, {unpack(question, 3)})
    elseif kind == 'labels' then
        local keys = {}
        for _, label in ipairs(redis.call('SMEMBERS', question[2] .. ':labels:' .. question[3])) do
            keys[#keys + 1] = question[2] .. ':' .. question[3] .. ':' .. escape(label)
        end
        answers[i] = sums_of(keys, {unpack(question, 4)})
    else
        answers[i] = stream_state(question[2])
    end
end
return answers
