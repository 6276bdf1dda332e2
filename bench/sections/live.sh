# What open dashboards cost the requests beside them: the open loop alone, and with 1,000 live sockets that get a message
# each second. Their reading takes CPU of the same machine, as load generator and upstream do.
# shellcheck shell=bash disable=SC2154

live_round() {  # MEASURE: latencies and CPU of aimeter while 2,000 requests/s pass
    local before count p50 p99 errors
    before=$(cpu_of aimeter)
    "$work/open_loop" "${port[aimeter]}" 2000 "$seconds" >"$work/open.out"
    read -r count p50 _ p99 _ errors <"$work/open.out"
    [ "$errors" = 0 ] || die "aimeter: $errors errors in the open loop"
    note "aimeter.$1_cpu" "$(ratio $(($(cpu_of aimeter) - before)) "$count")"
    note "aimeter.$1_p50" "$p50"
    note "aimeter.$1_p99" "$p99"
}

section_live() {
    needs live redis-server redis-tools || return 0
    local i empty holder dashboards=1000 result
    program open_loop; program live_clients
    start_upstream upstream; start_aimeter
    for i in $(seq "$rounds"); do
        say "live, round $i"
        live_round alone
        empty=$(rss_kib aimeter)
        rm -f "$work/hold" "$work/held"
        mkfifo "$work/hold"
        "$work/live_clients" "${port[aimeter]}" $dashboards "$work/var/admin-token" <"$work/hold" >"$work/held" & holder=$!
        exec 9>"$work/hold"
        wait_line "$work/held" held
        note aimeter.live_memory "$(ratio $(($(rss_kib aimeter) - empty)) 1024)"
        live_round live
        exec 9>&-
        wait "$holder" || die "dashboards lost their connections"
        read -r result _ < <(tail -1 "$work/held")
        note aimeter.live_messages "$(ratio "$result" $((dashboards * seconds)))"
    done
    stop_all
    own_row "p50 at 2,000/s, µs" alone_p50
    own_row "the same with 1,000 dashboards" live_p50
    own_row "p99 at 2,000/s, µs" alone_p99
    own_row "the same with 1,000 dashboards" live_p99
    own_row "CPU per request, µs" alone_cpu
    own_row "the same with 1,000 dashboards" live_cpu
    own_row "messages a second for each dashboard" live_messages
    own_row "1,000 dashboards, MiB" live_memory
}
