# What memory connections hold, over the empty process: MiB of resident memory (VmRSS), each in a fresh process. Measured
# once, since it hardly varies.
# shellcheck shell=bash disable=SC2154

start_fresh() { start_upstream stream_upstream; start_nginx off; start_haproxy off; start_aimeter; }

held_memory() {  # NAME MEASURE PROGRAM ARGUMENT...: while the program holds its connections, which says "held" when it does
    local name=$1 measure=$2 empty holder; shift 2
    empty=$(rss_kib "$name")
    rm -f "$work/hold" "$work/held"
    mkfifo "$work/hold"
    "$work/$1" "${@:2}" <"$work/hold" >"$work/held" & holder=$!
    exec 9>"$work/hold"
    wait_line "$work/held" held
    sleep 3  # buffers of the last requests are given back; slow readers have filled theirs
    note "$name.$measure" "$(ratio $(($(rss_kib "$name") - empty)) 1024)"
    exec 9>&-
    wait "$holder"
}

peak_memory() {  # NAME MEASURE COMMAND...: how far memory grows while the command runs
    local name=$1 measure=$2 pid before; shift 2
    for pid in ${pids[$name]}; do echo 5 >"/proc/$pid/clear_refs"; done  # VmHWM starts anew
    before=$(rss_kib "$name")
    "$@" || die "$name: '$*' failed"
    note "$name.$measure" "$(ratio $(($(status_kib "$name" VmHWM) - before)) 1024)"
}
download() { [ "$(curl -s -o /dev/null -w '%{size_download}' "http://127.0.0.1:$1/bytes?count=$gigabyte")" = $gigabyte ]; }
upload() { head -c $gigabyte /dev/zero | curl -sf -o /dev/null -T - "http://127.0.0.1:$1/api/ai/upload" -X POST; }

section_memory() {
    needs memory nginx-light haproxy redis-server redis-tools || return 0
    local name measure gigabyte=$((1 << 30))
    program open_loop; program stream_clients
    for measure in idle streams slow bodies; do
        say "memory: $measure"
        start_fresh
        for name in nginx haproxy aimeter; do
            case $measure in
                idle) held_memory $name idle open_loop "${port[$name]}" hold 2000 ;;
                streams) held_memory $name streams stream_clients hold "${port[$name]}" 500 1 0 ;;
                slow) held_memory $name slow stream_clients hold "${port[$name]}" 500 0 100 ;;
                bodies)
                    peak_memory $name down download "${port[$name]}"
                    peak_memory $name up upload "${port[$name]}"
                    ;;
            esac
        done
        [ $measure = bodies ] && measure=down && compare up
        compare $measure
        stop_all
    done
    row "2,000 idle connections, MiB over the empty process" idle
    row "500 streams under way, MiB" streams
    row "500 streams whose clients read 1 KB/s, MiB" slow
    row "1 GB to a client, peak MiB" down
    row "1 GB from a client, peak MiB" up
}
