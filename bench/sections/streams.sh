# Streams of small events (260 B, in OpenAI's shape, 20 a second each, 40 to a stream): what a proxy adds before the first
# and to each, and what each costs it.
# shellcheck shell=bash disable=SC2154

stream_round() {  # NAME STREAMS
    local before count ttft p50 p99 errors
    before=$(cpu_of "$1")
    "$work/stream_clients" events "${port[$1]}" "$2" "$seconds" >"$work/stream.out"
    read -r count ttft p50 p99 errors <"$work/stream.out"
    [ "$errors" = 0 ] || die "$1: $errors errors in $2 streams"
    [ "$1" = direct ] && direct_ttft=$ttft direct_p50=$p50 direct_p99=$p99
    note "$1.s$2_cpu" "$(ratio $(($(cpu_of "$1") - before)) "$count")"
    note "$1.s$2_ttft" "$(minus "$ttft" "$direct_ttft")"
    note "$1.s$2_p50" "$(minus "$p50" "$direct_p50")"
    note "$1.s$2_p99" "$(minus "$p99" "$direct_p99")"
}

section_streams() {
    needs streams nginx-light haproxy redis-server redis-tools || return 0
    local i name streams direct_ttft=0 direct_p50=0 direct_p99=0
    program stream_clients
    start_upstream stream_upstream; start_nginx off; start_haproxy off; start_aimeter
    for i in $(seq "$rounds"); do
        for streams in 50 500; do
            say "$streams streams, round $i"
            for name in direct nginx haproxy aimeter; do stream_round $name $streams; done
            for name in ttft p50 p99 cpu; do compare "s${streams}_$name"; done
        done
    done
    stop_all
    for streams in 50 500; do
        row "$streams streams: added time to the first event, p50, µs" s${streams}_ttft
        row "$streams streams: added to each event, p50, µs" s${streams}_p50
        row "$streams streams: added to each event, p99, µs" s${streams}_p99
        row "$streams streams: proxy CPU per event, µs" s${streams}_cpu
    done
}
