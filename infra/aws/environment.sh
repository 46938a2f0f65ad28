# Variables of every Ray process of the cluster; cluster.yaml reads this file before each `ray start`.

# the bucket's region: the machine's own is not asked for
export AWS_DEFAULT_REGION=us-east-1

# each library gets the CPUs that its task asked for, and no threads of its own beyond them
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1

# nobody reaches Ray without the token in ~/.ray/auth_token, from inside the security group either
export RAY_AUTH_MODE=token
export RAY_USAGE_STATS_ENABLED=0

# A machine that ends refuses connections, and is declared dead after four checks (12 s). One that is cut off answers
# nothing: four checks of 5 s each (half a minute; Ray's own settings take a minute). Its tasks would even then stay
# pending for as long as gRPC believes in the connection, minutes, unless every process asks whether the other side is
# there. Every 10 s with 5 s to answer is no slower than the checks; asking more often would take a saturated machine,
# or a slow link, for a dead one.
export RAY_health_check_initial_delay_ms=5000 RAY_health_check_period_ms=3000
export RAY_health_check_timeout_ms=5000 RAY_health_check_failure_threshold=4
export RAY_grpc_keepalive_time_ms=10000 RAY_grpc_keepalive_timeout_ms=5000
export RAY_grpc_client_keepalive_time_ms=10000 RAY_grpc_client_keepalive_timeout_ms=5000
