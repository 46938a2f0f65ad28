#!/usr/bin/env bash
# A Ray head on this machine that listens on loopback only, for trying `ray job submit` before a cluster does it for real.
# It stays in the foreground; Ctrl-C (or SIGTERM) ends it. A job's driver connects to it by itself.
set -euo pipefail
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE="${RAY_AUTH_MODE:-disabled}"
# without this Ray rewrites 127.0.0.1 to the host's public address, and at 127.0.0.2 it listens on all interfaces
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
exec ray start --head --block --node-ip-address=127.0.0.1 --port="${PORT:-6399}" \
    --dashboard-host=127.0.0.1 --dashboard-port="${DASHBOARD_PORT:-8265}" \
    --dashboard-agent-listen-port=0 --min-worker-port=0 --max-worker-port=0 --num-cpus="${CPUS:-$(nproc)}" --disable-usage-stats
