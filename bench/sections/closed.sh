# Closed loop: 64 keep-alive connections, POST of 486 B, answer of 1.5 KB. CPU until the last record is in Redis.
# shellcheck shell=bash disable=SC2154

wrk_round() {  # NAME: 64 connections for $seconds; notes requests/s, sets $requests
    BENCH_USERS=$users wrk -t1 -c64 -d "${seconds}s" -s "$here/post.lua" "http://127.0.0.1:${port[$1]}/" >"$work/wrk.out"
    if grep -q 'Non-2xx\|Socket errors' "$work/wrk.out"; then cat "$work/wrk.out" >&2; die "$1 failed requests"; fi
    requests=$(awk '/requests in/ {print $1}' "$work/wrk.out")
    note "$1.rps" "$(awk '/Requests\/sec/ {print $2}' "$work/wrk.out")"
}

metered_round() {  # NAME: CPU of proxy and Redis per record
    local had before redis_before records
    had=$(recorded "$1"); before=$(cpu_of "$1"); redis_before=$(cpu_us "${redis_pid[$1]}")
    wrk_round "$1"
    records=$(($(settled "$1" $((had + requests))) - had))
    # wrk cuts its last requests, which are recorded too. Only aimeter has promised to lose none.
    if [ "$records" -lt "$requests" ] || [ "$records" -gt $((requests + 64)) ]; then
        say "$1: $records records of $requests requests"
        tail -1 "$work/$1/nginx.err" >&2 2>/dev/null || true
        [ "$1" != aimeter ] || exit 1
    fi
    note "$1.cpu" "$(ratio $(($(cpu_of "$1") - before)) "$records")"
    note "$1.redis" "$(ratio $(($(cpu_us "${redis_pid[$1]}") - redis_before)) "$records")"
    note "$1.sum" "$(awk -v a="$(last "$1.cpu")" -v b="$(last "$1.redis")" 'BEGIN {print a + b}')"
}

plain_round() {  # NAME
    local before
    before=$(cpu_of "$1")
    wrk_round "$1"
    note "$1.cpu" "$(ratio $(($(cpu_of "$1") - before)) "$requests")"
}

section_closed() {
    needs closed wrk nginx-light haproxy redis-server redis-tools || return 0
    local i name control
    start_upstream upstream; start_nginx on; start_haproxy on; start_aimeter
    control=${pids[aimeter]}/task/${pids[aimeter]}
    for i in $(seq "$rounds"); do
        say "closed loop, round $i"
        for name in nginx haproxy; do plain_round $name; done
        local before; before=$(cpu_us "$control")
        metered_round aimeter
        note aimeter.control "$(ratio $(($(cpu_us "$control") - before)) "$requests")"
        compare cpu; compare rps
    done
    stop_all
    row "proxy CPU per request, µs (64 connections)" cpu
    own_row "of it the control thread (shipping the records)" control
    row "requests/s" rps
    own_row "Redis CPU per record, µs ($users users, AOF everysec)" redis
}
