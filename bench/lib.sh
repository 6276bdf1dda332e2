# Sourced by bench/run and bench/soak: programs, processes and measures. What a proxy's name has: port[NAME], and
# pids[NAME], whose CPU time and memory are its own.
# shellcheck shell=bash disable=SC2034,SC2154

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
PATH=$PATH:/usr/sbin
declare -A port pids redis_pid redis_socket
running=()
rows=()   # of the table
extra=()  # lines of other tables

work=$(mktemp -d /tmp/aimeter-bench-XXXXXX)
chmod 755 "$work"  # nginx's workers are not root
finish() { stop_all; print_rows; rm -rf "$work"; }  # what was measured is told, whatever failed then
trap finish EXIT
trap 'exit 130' INT TERM
ulimit -n 16384 2>/dev/null || ulimit -n "$(ulimit -Hn)"

say() { echo "$*" >&2; }
die() { say "$*"; exit 1; }
have() {  # PACKAGE: whether what a section needs is here; the package that would bring it is named otherwise
    case $1 in
        libnginx-mod-http-lua) [ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] ;;
        lua-cjson) [ -e /usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so ] || compgen -G '/usr/lib/*/lua/5.1/cjson.so' >/dev/null ;;
        nginx-light) command -v nginx >/dev/null ;;
        redis-tools) command -v redis-cli >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}
needs() {  # SECTION PACKAGE...: false, and says what is missing
    local section=$1 missing=() package; shift
    for package in "$@"; do have "$package" || missing+=("$package"); done
    [ ${#missing[@]} = 0 ] && return
    say "$section is left out: it needs apt-get install ${missing[*]}"
    return 1
}

# ---- programs --------------------------------------------------------------------------------------------------------
build_aimeter() {  # sets $binary unless it was given
    [ -n "$binary" ] && return
    (cd "$root" && cmake --preset release && cmake --build build/release --target aimeter -j "$(nproc)") >"$work/build.log" 2>&1 ||
        { tail -20 "$work/build.log" >&2; exit 1; }
    binary=$root/build/release/aimeter
}
program() { [ -x "$work/$1" ] || g++ -std=c++20 -O2 -pthread -o "$work/$1" "$here/$1.cpp"; }  # NAME: one of the small ones here

# ---- processes -------------------------------------------------------------------------------------------------------
wait_line() {  # FILE PATTERN: waits until a line of the file matches
    local i
    for i in $(seq 300); do grep -q "$2" "$1" 2>/dev/null && return; sleep 0.1; done
    cat "$1" >&2; die "no '$2' in $1"
}

stop_all() {
    local pid
    for pid in "${running[@]}"; do kill -CONT "$pid" 2>/dev/null || continue; kill "$pid"; done  # some were killed
    for pid in "${running[@]}"; do while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; done
    running=()
    wait 2>/dev/null || true
}

start_upstream() {  # PROGRAM: upstream, or stream_upstream; "direct" is the way without a proxy
    program "$1"
    "$work/$1" >"$work/upstream.port" & running+=($!)
    wait_line "$work/upstream.port" .
    port[direct]=$(cat "$work/upstream.port")
}

# Starts nginx or HAProxy before the upstream, by a configuration in peers/ whose words in capitals are filled in.
start_peer() {  # NAME CONFIGURATION MODE
    local dir=$work/$1 pid
    mkdir -p "$dir"
    for _ in $(seq 20); do
        port[$1]=$((15000 + RANDOM % 16000))  # not where the kernel takes the ports of connections from
        (exec 3<>"/dev/tcp/127.0.0.1/${port[$1]}") 2>/dev/null && continue  # somebody's
        sed "s|BENCH|$here|g; s|DIR|$dir|g; s|\bPORT\b|${port[$1]}|g; s|:UPSTREAM|:${port[direct]}|g; s|#MODE=$3 ||
             s|MODE|$3|g; s|REDIS|${redis_socket[$1]:-}|g" "$here/peers/$2" >"$dir/conf"
        case $2 in
            haproxy.cfg) haproxy -f "$dir/conf" -db >"$dir/out" 2>&1 & ;;
            *) nginx -p "$dir" -c "$dir/conf" 2>"$dir/out" & ;;
        esac
        pid=$!
        for _ in $(seq 60); do
            if curl -s -o /dev/null "http://127.0.0.1:${port[$1]}/"; then
                running+=("$pid")
                pids[$1]=$pid
                case $2 in *.conf) read -r "pids[$1]" <"/proc/$pid/task/$pid/children" || true ;; esac  # the workers
                return
            fi
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.05
        done
    done
    cat "$dir/out" >&2; die "$1 does not start"
}
start_nginx() { start_peer nginx nginx.conf "$1"; }
start_haproxy() { start_peer haproxy haproxy.cfg "$1"; }

start_aimeter() {  # metering on, with its embedded Redis (AOF everysec), a process of its own that is measured apart
    rm -rf "${work:?}/var"
    cat >"$work/aimeter.toml" <<TOML
listen = "127.0.0.1:0"
upstream = "http://127.0.0.1:${port[direct]}"
workers = 2
data_dir = "$work/var"
[limits]
body_timeout = "5m"
[track]
log = "off"
[identity]
header = "x-user-id"
TOML
    (cd "$root" && exec "$binary" serve -c "$work/aimeter.toml") >"$work/aimeter.out" 2>"$work/aimeter.err" &
    pids[aimeter]=$!
    running+=("${pids[aimeter]}")
    wait_line "$work/aimeter.out" 'aimeter ready'
    port[aimeter]=$(sed -n 's/^aimeter ready: listening on .*:\([0-9]*\)$/\1/p' "$work/aimeter.out")
    for _ in $(seq 100); do
        redis_socket[aimeter]=$(find "$work/var/redis" -type s 2>/dev/null | head -1 || true)
        redis_pid[aimeter]=$(redis aimeter INFO server | sed -n 's/^process_id:\([0-9]*\).*/\1/p' || true)
        [ -n "${redis_pid[aimeter]}" ] && running+=("${redis_pid[aimeter]}") && return
        sleep 0.1
    done
    cat "$work/aimeter.err" >&2; die "the embedded Redis does not start"
}

# A Redis for a meter that brings none; as aimeter's own: append-only file, flushed every second.
start_redis() {  # NAME
    mkdir -p "$work/$1"
    redis_socket[$1]=$work/$1/redis.sock
    redis-server --port 0 --unixsocket "${redis_socket[$1]}" --unixsocketperm 777 --dir "$work/$1" --save '' \
        --appendonly yes --appendfsync everysec --daemonize no >"$work/$1/redis.log" &
    redis_pid[$1]=$!
    running+=("${redis_pid[$1]}")
    for _ in $(seq 100); do redis "$1" PING | grep -q PONG && return; sleep 0.1; done
    die "redis-server does not start"
}

redis() { local of=${redis_socket[$1]}; shift; [ -n "$of" ] && redis-cli -s "$of" "$@" 2>/dev/null; }
recorded() {  # NAME: how many records Redis has
    case $1 in
        aimeter) redis aimeter HGET aimeter:usage:total requests | grep -o '[0-9]*' || echo 0 ;;
        *) redis "$1" XLEN meter:usage | grep -o '[0-9]*' || echo 0 ;;
    esac
}
settled() {  # NAME LEAST: the count of records once there are LEAST and it no longer grows (a busy disk halts Redis)
    local before=-1 now
    for _ in $(seq 240); do
        now=$(recorded "$1")
        [ "$now" = "$before" ] && [ "$now" -ge "$2" ] && break
        before=$now; sleep 0.5
    done
    echo "$now"
}

# ---- measures --------------------------------------------------------------------------------------------------------
# From the scheduler, to the nanosecond: the ticks of /proc/PID/stat miss much of what runs for microseconds at a time.
cpu_us() {  # PID...: time that all its threads ran, user and system; PID/task/TID is one
    local pid
    for pid in "$@"; do
        if [ -d "/proc/$pid/task" ]; then cat "/proc/$pid"/task/*/schedstat; else cat "/proc/$pid/schedstat"; fi
    done | awk '{s += $1} END {printf "%d", s / 1000}'
}
# shellcheck disable=SC2086
cpu_of() { case $1 in direct) echo 0 ;; *) cpu_us ${pids[$1]} ;; esac; }  # NAME
status_kib() {  # NAME FIELD: of /proc/PID/status, summed over its processes
    local pid
    for pid in ${pids[$1]}; do cat "/proc/$pid/status"; done | awk -v f="$2:" '$1 == f {s += $2} END {print s + 0}'
}
rss_kib() { status_kib "$1" VmRSS; }

note() { echo "$2" >>"$work/m.$1"; }  # MEASURE VALUE
median() { sort -g | awk '{v[NR] = $1} END {if (NR) printf "%.2f", (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
of() { if [ -e "$work/m.$1" ]; then median <"$work/m.$1"; fi; }  # MEASURE: the median of its rounds
last() { tail -1 "$work/m.$1"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {if (b + 0 != 0) printf "%.2f", a / b}'; }
minus() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.0f", a - b}'; }
spread() { sort -g "$work/m.$1" | awk 'NR == 1 {a = $1} {b = $1} END {printf "%s-%s", a, b}'; }  # MEASURE: least and most

# Rows are printed together at the end: the README's columns, the ratios within one round each.
row() {  # TEXT MEASURE: what m.NAME.MEASURE says, with the ratios that were noted
    local name cells=()
    for name in nginx haproxy aimeter; do cells+=("$(of "$name.$2")"); done
    rows+=("| $1 | ${cells[0]} | ${cells[1]} | ${cells[2]} | $(of "$2.to_nginx") | $(of "$2.to_haproxy") |")
}
own_row() { rows+=("| $1 | | | $(of "aimeter.$2") | | |"); }  # of what the others do not have
compare() {  # MEASURE: this round's ratios of aimeter to the others
    local name
    for name in nginx haproxy; do
        [ -e "$work/m.$name.$1" ] && note "$1.to_$name" "$(ratio "$(last "aimeter.$1")" "$(last "$name.$1")")"
    done
    return 0
}
print_rows() {
    if [ ${#rows[@]} -gt 0 ]; then
        printf '\n| %s | nginx | HAProxy | aimeter, metering on | to nginx | to HAProxy |\n| --- | --- | --- | --- | --- | --- |\n' "median of $rounds rounds"
        printf '%s\n' "${rows[@]}"
    fi
    if [ ${#extra[@]} -gt 0 ]; then printf '%s\n' "${extra[@]}"; fi
}
