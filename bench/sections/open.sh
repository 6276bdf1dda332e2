# Open loop: 2,000 requests/s whatever comes back; and the same with a Redis that hangs.
# shellcheck shell=bash disable=SC2154

open_round() {  # NAME MEASURE: latencies into m.NAME.MEASURE_p50 and _p99, CPU into m.NAME.MEASURE_cpu
    local before count p50 p99 errors
    before=$(cpu_of "$1")
    "$work/open_loop" "${port[$1]}" 2000 "$seconds" >"$work/open.out"
    read -r count p50 _ p99 _ errors <"$work/open.out"
    [ "$errors" = 0 ] || die "$1: $errors errors in the open loop"
    note "$1.$2_cpu" "$(ratio $(($(cpu_of "$1") - before)) "$count")"
    [ "$1" = direct ] && direct_p50=$p50 direct_p99=$p99
    note "$1.$2_p50" "$(minus "$p50" "$direct_p50")"
    note "$1.$2_p99" "$(minus "$p99" "$direct_p99")"
}

section_open() {
    needs open nginx-light haproxy redis-server redis-tools || return 0
    local i name direct_p50=0 direct_p99=0
    program open_loop
    start_upstream upstream; start_nginx on; start_haproxy on; start_aimeter
    for i in $(seq "$rounds"); do
        say "open loop, round $i"
        for name in direct nginx haproxy aimeter; do open_round $name open; done
        for name in open_p50 open_p99 open_cpu; do compare $name; done
        kill -STOP "${redis_pid[aimeter]}"
        open_round aimeter hung
        kill -CONT "${redis_pid[aimeter]}"
        note hung_p99.to_nginx "$(ratio "$(last aimeter.hung_p99)" "$(last nginx.open_p99)")"
        note hung_p99.to_haproxy "$(ratio "$(last aimeter.hung_p99)" "$(last haproxy.open_p99)")"
        settled aimeter 0 >/dev/null
    done
    stop_all
    row "added p50 at 2,000/s, µs" open_p50
    row "added p99 at 2,000/s, µs" open_p99
    row "the same while Redis hangs" hung_p99
    row "proxy CPU per request at 2,000/s, µs" open_cpu
}
