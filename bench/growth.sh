#!/usr/bin/env bash
# How the cost of a message grows: rates of synced sends with one thing changed at a time, each on a node of its own.
# Prints "name value unit" lines, medians of RUNS runs (3 unless given). Called by scripts/bench, which builds.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-3}
bin=build/release/app
work=$(mktemp -d "${TMPDIR:-/tmp}/earshot-growth-XXXXXX")
node_pid=""
stop_node() {
  [ -z "$node_pid" ] || { kill -KILL "$node_pid" 2>/dev/null; wait "$node_pid" 2>/dev/null; } || true
  node_pid=""
  rm -rf "$work/node"
}
leave() {
  stop_node
  rm -rf "$work"
}
trap leave EXIT

start_node() { # SHARDS: sets `port`
  mkfifo "$work/ready"
  "$bin/earshotd" --data "$work/node" --client-port 0 --resp-port 0 --http-port 0 --shard-count "$1" --log-level warn >"$work/ready" &
  node_pid=$!
  local line=""
  read -r line <"$work/ready" || true
  rm "$work/ready"
  port=$(sed -n 's/.*clients [^ ,]*:\([0-9]*\).*/\1/p' <<<"$line")
  [ -n "$port" ] || { echo "growth: the node did not start" >&2; exit 1; }
}

measure() { # NAME SHARDS OPTION ...
  local name=$1 shards=$2 rates=""
  shift 2
  for ((run = 0; run < runs; ++run)); do
    start_node "$shards"
    rates+=$("$bin/earshot" bench --server "127.0.0.1:$port" --quiet --json "$@" |
      sed -n 's/.*"ratePerSecond":\([0-9]*\).*/\1/p')$'\n'
    stop_node
  done
  printf '%-36s %14s messages/s\n' "$name" "$(sort -n <<<"${rates%$'\n'}" | sed -n "$(((runs + 1) / 2))p")"
}

for connections in 1 10 100 1000 10000; do
  measure "growth.connections.$connections" 64 --connections "$connections" --window $((connections < 256 ? 256 : 16)) \
    --messages 300000
done
for recipients in 10 1000 100000 1000000; do
  measure "growth.recipients.$recipients" 64 --recipients "$recipients" --messages 300000
done
for bytes in 16 128 1024 8192 65536; do
  measure "growth.body_bytes.$bytes" 64 --body-bytes "$bytes" --messages $((bytes > 8000 ? 20000 : 200000))
done
for shards in 1 4 16 64 256; do
  measure "growth.shards.$shards" "$shards" --messages 300000
done
