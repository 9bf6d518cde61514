#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real servers with their data in volumes: it survives stop, start, removal and a new container; killing
# every program of ours but the monitors disturbs nobody; a killed monitor brings its server back, with
# everything that was committed.
# bats file_tags=beside
load fault

PORT=18973

# Debian with the servers as a tar, made once per build directory.
servers_root() {
	command -v mmdebstrap >/dev/null || skip "no mmdebstrap"
	local path=$BUILD/test-cache/servers.tar
	if [ ! -s "$path" ]; then
		mkdir -p "${path%/*}"
		# by the name it would take what is not called .tar for a directory
		outside mmdebstrap --quiet --format=tar --variant=essential --include=nginx-light,redis-server,postgresql \
			bookworm "$path.new" >"$BATS_FILE_TMPDIR/mmdebstrap.log" 2>&1 || {
			cat "$BATS_FILE_TMPDIR/mmdebstrap.log"
			return 1
		}
		mv "$path.new" "$path"
	fi
	printf '%s\n' "$path"
}

setup_file() {
	local root
	setup_engine
	root=$(servers_root)
	"$BATS_TEST_DIRNAME/../integration/make-image" --pack servers:1 "$ENGINE_DIR/servers.tar" "$root"
	cloche load -q -i "$ENGINE_DIR/servers.tar"
	rm "$ENGINE_DIR/servers.tar"
}

teardown_file() { teardown_engine; }

teardown() {
	local ids
	mapfile -t ids < <(cloche ps -aq --no-trunc)
	[ "${#ids[@]}" -eq 0 ] || cloche rm -f "${ids[@]}" >/dev/null
	cloche volume prune -af >/dev/null
}

run_redis() {
	cloche run -d --name redis --network host --restart always -v redis:/data servers:1 \
		redis-server --dir /data --appendonly yes --appendfsync always --port 0 --unixsocket /data/socket >/dev/null
}
redis() { cloche exec redis redis-cli -s /data/socket "$@"; }
redis_answers() { [ "$(redis ping 2>/dev/null)" = PONG ]; }
redis_has() { [ "$(redis get "$1" 2>/dev/null)" = "$2" ]; }

# shellcheck disable=SC2016 # for the shell in the container
run_postgres() {
	cloche run -d --name postgres --network host --restart always --shm-size 128m -v postgres:/data servers:1 sh -c '
		bin=$(echo /usr/lib/postgresql/*/bin)
		mkdir -p /data/db /data/run && chown -R postgres /data
		[ -s /data/db/PG_VERSION ] || setpriv --reuid postgres --regid postgres --clear-groups $bin/initdb -D /data/db >/dev/null
		exec setpriv --reuid postgres --regid postgres --clear-groups $bin/postgres -D /data/db -c listen_addresses= -k /data/run' >/dev/null
}
sql() { cloche exec -u postgres postgres psql -h /data/run -d postgres -Atqc "$1"; }
postgres_answers() { [ "$(sql 'select 1' 2>/dev/null)" = 1 ]; }

run_nginx() {
	cloche run -d --name nginx --network host --restart always -v pages:/pages servers:1 \
		/usr/sbin/nginx -g "daemon off; error_log /dev/null;" -c /pages/nginx.conf >/dev/null
}
nginx_serves() { [ "$(curl -fs "http://127.0.0.1:$PORT/page")" = "$1" ]; }

monitor_of() { proc_status "$(container_pid "$1")" PPid; }

# Our programs of this engine that are not monitors.
kill_all_but_monitors() {
	local pid
	while read -r pid _; do
		case "$(cat "/proc/$pid/comm" 2>/dev/null)" in
		cloche-monitor) ;;
		cloche*) kill -KILL "$pid" ;;
		esac
	done < <(engine_processes)
}

# Killed with all others, it is started again by the monitors, who need it for a container that loses its own.
keeper_is_back() {
	local pid
	while read -r pid _; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != cloche-keeper ] || return 0
	done < <(engine_processes)
	return 1
}

starts_over() { # CONTAINER OLD_PID
	local pid
	pid=$(container_pid "$1") && [ "$pid" != "$2" ]
}

@test "redis: what was acknowledged survives stop, removal, and its monitor's death" {
	local pid
	run_redis
	wait_for 20 redis_answers
	redis set one 1 >/dev/null
	cloche stop redis >/dev/null
	cloche start redis >/dev/null
	wait_for 20 redis_has one 1
	cloche rm -f redis >/dev/null
	run_redis
	wait_for 20 redis_has one 1
	redis set two 2 >/dev/null
	kill_all_but_monitors
	assert_equal "$(redis get two)" 2
	pid=$(container_pid redis)
	redis set three 3 >/dev/null
	wait_for 20 keeper_is_back
	kill -KILL "$(monitor_of redis)"
	wait_for 30 starts_over redis "$pid"
	wait_for 20 redis_has three 3
}

@test "postgres: committed rows survive stop, removal, and its monitor's death" {
	local pid
	run_postgres
	wait_for 60 postgres_answers
	sql 'create table t (v int); insert into t values (1)'
	cloche stop -t 20 postgres >/dev/null
	cloche start postgres >/dev/null
	wait_for 60 postgres_answers
	cloche rm -f postgres >/dev/null
	run_postgres
	wait_for 60 postgres_answers
	sql 'insert into t values (2)'
	kill_all_but_monitors
	sql 'insert into t values (3)'
	pid=$(container_pid postgres)
	wait_for 20 keeper_is_back
	kill -KILL "$(monitor_of postgres)"
	wait_for 30 starts_over postgres "$pid"
	wait_for 60 postgres_answers
	assert_equal "$(sql 'select v from t order by v' | paste -sd' ')" '1 2 3'
}

@test "nginx: pages from a volume, without a failed request while our programs die" {
	local i
	printf 'pid /tmp/pid; events {} http { server { listen 127.0.0.1:%s; root /pages; access_log off; } }\n' "$PORT" |
		cloche run --rm -i -v pages:/pages servers:1 sh -c 'cat >/pages/nginx.conf; echo hello >/pages/page'
	run_nginx
	wait_for 20 nginx_serves hello
	for ((i = 0; i < 20; i++)); do
		kill_all_but_monitors
		nginx_serves hello
	done
	cloche stop nginx >/dev/null
	! nginx_serves hello || false
	cloche rm nginx >/dev/null
	run_nginx
	wait_for 20 nginx_serves hello
}
