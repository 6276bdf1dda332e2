# What recording costs in all, proxy and Redis: aimeter beside a meter in nginx and Lua that writes about the same (two
# streams, some 20 counters), as it is usually written and as somebody would tune it. wrk as in closed.sh.
# shellcheck shell=bash disable=SC2154

section_lua() {
    needs lua wrk nginx-light libnginx-mod-http-lua lua-cjson redis-server redis-tools || return 0
    local i name measure
    start_upstream upstream
    start_aimeter
    for name in usual batched; do start_redis $name; start_peer $name lua_meter.conf $name; done
    for i in $(seq "$rounds"); do
        say "metering in Lua, round $i"
        for name in batched usual aimeter; do metered_round $name; done
        for name in batched usual; do
            for measure in cpu redis sum rps; do
                note "$measure.against_$name" "$(ratio "$(last "aimeter.$measure")" "$(last "$name.$measure")")"
            done
        done
    done
    stop_all
    extra+=("" "| median of $rounds rounds | nginx + Lua, usual | nginx + Lua, tuned | aimeter | to the usual | to the tuned |"
        "| --- | --- | --- | --- | --- | --- |")
    lua_row "proxy CPU per recorded request, µs" cpu
    lua_row "Redis CPU per recorded request, µs" redis
    lua_row "both, µs" sum
    lua_row "requests/s" rps
}

lua_row() { extra+=("| $1 | $(of "usual.$2") | $(of "batched.$2") | $(of "aimeter.$2") | $(of "$2.against_usual") | $(of "$2.against_batched") |"); }
