-- The little of Redis' protocol that a meter needs: commands in one pipeline over a kept connection.
local tcp = ngx.socket.tcp
local concat = table.concat

local resp = {}

local function bulk(value)
    local text = tostring(value)
    return "$" .. #text .. "\r\n" .. text .. "\r\n"
end
resp.bulk = bulk

-- One command of the words given, as Redis wants it.
function resp.command(...)
    local out = { "*" .. select("#", ...) .. "\r\n" }
    for i = 1, select("#", ...) do out[i + 1] = bulk((select(i, ...))) end
    return concat(out)
end

local function connection(path)
    local socket = tcp()
    socket:settimeouts(60000, 60000, 60000)
    -- At most 64 connections of a worker; whoever comes then waits for one, since Redis' socket does not take a burst.
    local ok, err = socket:connect("unix:" .. path, { pool_size = 64, backlog = 100000 })
    if not ok then return nil, err end
    return socket
end

-- Reads each reply for itself, as lua-resty-redis does. Simple replies and bulk strings only.
local function read_each(socket, count)
    for _ = 1, count do
        local line, err = socket:receive("*l")
        if not line then return nil, err end
        local kind = line:byte()
        if kind == 45 then return nil, line end -- "-ERR ..."
        if kind == 36 then                      -- "$15"
            local _, err2 = socket:receive(tonumber(line:sub(2)) + 2)
            if err2 then return nil, err2 end
        end
    end
    return true
end

-- Counts lines instead: `lines` of them are expected. A refusal begins with "-".
local function read_lines(socket, lines)
    local seen, last = 0, "\n"
    while seen < lines do
        local piece, err = socket:receiveany(65536)
        if not piece then return nil, err end
        local _, more = piece:gsub("\n", "\n")
        if (last == "\n" and piece:byte() == 45) or piece:find("\n-", 1, true) then return nil, piece end
        seen, last = seen + more, piece:sub(-1)
    end
    return true
end

local function exchange(path, commands, read, count)
    local socket, err = connection(path)
    if not socket then return nil, err end
    local ok
    ok, err = socket:send(commands)
    if ok then ok, err = read(socket, count) end
    if not ok then
        socket:close()
        return nil, err
    end
    socket:setkeepalive(60000, 64)
    return true
end

function resp.pipeline(path, commands) return exchange(path, commands, read_each, #commands) end
function resp.batch(path, pieces, lines) return exchange(path, pieces, read_lines, lines) end

return resp
