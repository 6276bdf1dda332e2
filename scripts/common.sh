# Sourced by run, test and scripts/install: messages, how many jobs fit on this machine, and the build of one target.

say() { printf '%s\n' "$*"; }
warn() { printf '%s: warning: %s\n' "${0##*/}" "$*" >&2; }
die() {
    printf '%s: error: %s\n' "${0##*/}" "$1" >&2
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# One compiler needs up to 1.2 GB: as many jobs as there are cores, and fewer where memory is short.
jobs_that_fit() {
    local cores free_mb by_memory
    cores=$(nproc)
    free_mb=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo 2>/dev/null) || free_mb=''
    by_memory=$((${free_mb:-2400} / 1200))
    [ "$by_memory" -ge 1 ] || by_memory=1
    [ "$cores" -le "$by_memory" ] && echo "$cores" || echo "$by_memory"
}

free_mb_at() { df -Pm -- "$1" 2>/dev/null | awk 'NR == 2 {print $4}'; }

# Names the likely cause when something failed and the disk is full.
tell_disk() {
    local free
    free=$(free_mb_at .)
    [ "${free:-1000}" -ge 50 ] || warn "the disk is full: $free MB are left at $PWD"
}

# need_disk MB PATH WHAT: fails clearly when less is left there. PATH, or a folder above it, exists.
need_disk() {
    local path=$2 free
    while [ ! -e "$path" ]; do path=$(dirname "$path"); done
    free=$(free_mb_at "$path")
    [ -z "$free" ] || [ "$free" -ge "$1" ] ||
        die "the disk is full: $free MB are left at $path, and $3 needs $1 MB" "Free some space, then run this again."
}

# With ccache on the machine, a second clean build is quick; it is never required.
use_ccache() {
    command -v ccache >/dev/null || return 0
    export CMAKE_C_COMPILER_LAUNCHER=ccache CMAKE_CXX_COMPILER_LAUNCHER=ccache
    export CCACHE_SLOPPINESS=pch_defines,time_macros
}

# quietly LOG COMMAND...: the output goes to LOG; when the command fails, what matters of it is shown.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 && return 0
    {
        if [ "$(wc -l <"$log")" -gt 40 ]; then
            grep -nE 'error|Error|FAILED|undefined reference|No space left' "$log" | head -n 20
            say "--- the last lines of $log:"
        fi
        tail -n 40 "$log"
    } >&2
    tell_disk
    return 1
}
