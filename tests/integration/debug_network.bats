#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# debug network: what it claims must be what a scanner finds, from everywhere, whatever else filters on the
# host. The host is a network namespace of the test's own, a second one plays the hosts beyond.
bats_require_minimum_version 1.5.0
load helpers

setup() {
	setup_network_engine
	make_netns BEYOND
	on_host sh -c "ip link add out0 type veth peer name eth0 address 02:00:00:00:00:09 netns $BEYOND
		ip addr add 192.0.2.1/24 dev out0; ip -6 addr add 2001:db8::1/64 dev out0 nodad
		ip link set out0 up; ip route add default via 192.0.2.9; ip -6 route add default via 2001:db8::9
		ip neigh replace 2001:db8::ffff:ffff:ffff:fffe lladdr 02:00:00:00:00:09 dev out0"
	in_netns "$BEYOND" sh -c "ip addr add 192.0.2.9/24 dev eth0; ip -6 addr add 2001:db8::9/64 dev eth0 nodad
		ip addr add 198.51.100.7/32 dev lo; ip -6 addr add 2001:db8:ffff::7/128 dev lo nodad
		ip addr add 192.0.2.254/32 dev lo
		ip addr add 2001:db8::ffff:ffff:ffff:fffe/128 dev lo nodad
		ip link set eth0 up; ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1"
	wait_for 30 knows "$BEYOND" 2001:db8::1
	wait_for 30 knows "$HOST_NETNS" 2001:db8::9
}

teardown() {
	stop_docker
	[ -z "${SERVER:-}" ] || kill "$SERVER" || true
	end_netns "$BEYOND"
	teardown_network_engine
}

config() { # KEY VALUE: one more of the engine's configuration
	printf '{"cgroup-parent": "/%s", "%s": "%s"}\n' "$ENGINE_CGROUP" "$1" "$2" >"$CLOCHE_CONFIG"
}

# web on the networks app (IPv4 and IPv6), with one more container there and one on another network.
start_containers() {
	cloche network create --ipv6 --subnet 10.77.0.0/24 --subnet fd77::/64 app >/dev/null
	cloche network create --subnet 10.78.0.0/24 other >/dev/null
	cloche run -d --name web --network app -p 8080:80 -p 192.0.2.1:8081:80 -p 127.0.0.1:8082:80 \
		-p 8083:81 -p 5353:54/udp cloche/busybox httpd -f -p 80 >/dev/null
	wait_for 10 is_served "$(inspect web .State.Pid)" 80
	rm -f "$ENGINE_DIR/udp"
	in_netns "$(inspect web .State.Pid)" setpriv --pdeathsig KILL "$BATS_TEST_DIRNAME/net-probe" serve udp :: 54 \
		>"$ENGINE_DIR/udp" 3>&- &
	SERVER=$!
	wait_for 10 grep -qs ready "$ENGINE_DIR/udp"
	cloche run -d --name near --network app cloche/busybox sleep 1000 >/dev/null
	cloche run -d --name far --network other cloche/busybox sleep 1000 >/dev/null
}

is_served() { # HOLDER PORT
	in_netns "$1" bash -c "exec 3<>/dev/tcp/127.0.0.1/$2" 2>/dev/null
}

end_containers() {
	end_netns "$SERVER"
	cloche rm -f web near far >/dev/null
	cloche network rm app other >/dev/null
}

# Every claim, tried.
scan() {
	cloche debug network --format json web >"$ENGINE_DIR/claims"
	"$BATS_TEST_DIRNAME/net-scan" "$ENGINE_DIR/claims" "this host=$HOST_NETNS" "hosts %out0=$BEYOND" \
		"the container itself=$(inspect web .State.Pid)" "containers of app=$(inspect near .State.Pid)" \
		"containers of other=$(inspect far .State.Pid)"
}

# How many claims of somebody have a verdict.
verdicts() { # WHO VERDICT
	python3 - "$ENGINE_DIR/claims" "$@" <<-'PY'
		import json, sys
		ports = json.load(open(sys.argv[1]))["Container"]["Ports"]
		print(sum(c["Who"].startswith(sys.argv[2]) and c["Verdict"] == sys.argv[3]
		          for p in ports for c in p["Reach"]))
	PY
}

@test "on a host that filters nothing, each claim holds" {
	start_containers
	scan
	[ "$(verdicts 'hosts beside' reachable)" -ge 3 ]
	[ "$(verdicts 'this host' reachable)" -ge 6 ]
	[ "$(verdicts 'hosts beside' dropped)" -ge 1 ] # asked for directly
	[ "$(verdicts "this host" "nothing listens")" -ge 1 ] # port 81
}

@test "a published port that another's table drops before routing: each claim holds, and this host's is known" {
	on_host nft -f - <<-'NFT'
		table inet fence {
			chain p {
				type filter hook prerouting priority raw; policy accept
				tcp dport { 79, 8080 } drop
				udp dport 100-9000 drop
			}
		}
	NFT
	start_containers
	scan
	assert_equal "$(verdicts 'this host' unknown)" 0
	[ "$(verdicts 'this host' reachable)" -ge 3 ]
	[ "$(verdicts 'hosts beside' dropped)" -ge 3 ]
}

# bats test_tags=once
@test "each claim holds on a host whose nftables drop what is forwarded, cooperating or not" {
	on_host nft -f - <<-'NFT'
		table inet fence {
			chain f {
				type filter hook forward priority 10; policy drop;
				iifname "out0" tcp dport 22 accept
			}
		}
	NFT
	start_containers
	scan
	[ "$(verdicts 'hosts beside' reachable)" -ge 3 ]
	end_containers
	config host-firewall respect
	start_containers
	scan
	assert_equal "$(verdicts 'hosts beside' reachable)" 0
	[ "$(verdicts 'hosts beside' dropped)" -ge 3 ]
	assert_contains "$(cloche debug network web)" "inet fence f: policy drop"
}

# bats test_tags=once
@test "each claim holds on a host whose iptables drop what is forwarded, cooperating or not" {
	local program
	for program in iptables ip6tables; do
		on_host "$program" -P FORWARD DROP
		on_host "$program" -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
		on_host "$program" -A INPUT -i out0 -p tcp -m multiport --dports 1:100 -j REJECT
	done
	start_containers
	scan
	[ "$(verdicts 'hosts beside' reachable)" -ge 3 ]
	end_containers
	config host-firewall respect
	start_containers
	scan
	assert_equal "$(verdicts 'hosts beside' reachable)" 0
	assert_contains "$(cloche debug network web)" "ip filter FORWARD: policy"
}

# A dockerd on the same host, with everything it does to it, and a container of its own.
start_docker() {
	[ "${CLOCHE_TEST_SLOW:-0}" = 0 ] || skip "dockerd runs where the kernel is not emulated"
	command -v dockerd docker >/dev/null || skip "dockerd is not installed"
	DOCKER_DIR=$ENGINE_DIR/docker
	export DOCKER_HOST=unix://$DOCKER_DIR/d.sock HOME=$ENGINE_DIR
	mkdir "$DOCKER_DIR"
	on_host dockerd --data-root "$DOCKER_DIR/data" --exec-root "$DOCKER_DIR/exec" -H "$DOCKER_HOST" \
		-p "$DOCKER_DIR/pid" --storage-driver overlay2 --cgroup-parent "/$ENGINE_CGROUP" \
		>"$DOCKER_DIR/log" 2>&1 3>&- &
	wait_for 30 docker version >/dev/null 2>&1
}

stop_docker() {
	local pid mount
	[ -n "${DOCKER_DIR:-}" ] || return 0
	pid=$(cat "$DOCKER_DIR/pid")
	docker ps -aq | xargs -r docker rm -f >/dev/null
	kill "$pid"
	wait_for 20 not_running "$pid"
	grep -F "$DOCKER_DIR" /proc/self/mountinfo | awk '{ print $5 }' | sort -r | while read -r mount; do umount "$mount"; done
}

not_running() { ! kill -0 "$1" 2>/dev/null; }

# bats test_tags=once
@test "each claim holds with a dockerd beside, cooperating or not" {
	on_host iptables -P FORWARD DROP # Docker's own doing, unless forwarding was on before
	start_docker
	cloche run --rm cloche/busybox true
	tar -C "$(cloche image inspect -f '{{.GraphDriver.Data.UpperDir}}' cloche/busybox)" -c . |
		docker import - busybox:1 >/dev/null
	docker run -d -p 9090:80 busybox:1 httpd -f -p 80 >/dev/null
	start_containers
	scan
	[ "$(verdicts 'hosts beside' reachable)" -ge 3 ]
	end_containers
	config host-firewall respect
	start_containers
	scan
	run -0 cloche debug network web
	assert_contains "$output" "by ip filter FORWARD: policy" # what decides
	assert_contains "$output" "ip filter FORWARD: policy drop" # what there is
}

@test "each claim holds where the host drops in chains of its own, and some only on a condition" {
	on_host nft -f - <<-'NFT'
		table inet zones {
			chain public {
				tcp dport 22 accept
				reject with icmpx admin-prohibited
			}
			chain zone {
				iifname "nowhere0" goto public
				log prefix "rejected " goto public
			}
			chain f {
				type filter hook forward priority 10;
				ct state vmap { established : accept, related : accept, invalid : drop }
				jump zone
			}
		}
		table ip some {
			chain f {
				type filter hook forward priority 20;
				tcp dport 8099 drop
			}
		}
	NFT
	start_containers
	scan
	[ "$(verdicts 'hosts beside' reachable)" -ge 3 ]
	run -0 cloche debug network web
	assert_contains "$output" "inet zones f: policy accept, 8 rules; lets our bridges pass (cooperate)"
	assert_contains "$output" "ip some f: policy accept, 1 rules; drops at most on conditions, which hold"
	# One host may not: it stays so, and it is said which rule decides.
	on_host nft insert rule inet zones f ip saddr 192.0.2.0/24 tcp dport 80 counter drop
	scan
	[ "$(verdicts 'hosts beside' dropped)" -ge 2 ]
}

# bats test_tags=once
@test "a rule of the host that stands in the way of one port is named" {
	start_containers
	on_host nft -f - <<-'NFT'
		table ip mine {
			chain pre {
				type filter hook prerouting priority -150;
				iifname "out0" tcp dport 8080 counter drop comment "not this one"
			}
		}
	NFT
	scan
	run -0 cloche debug network web
	assert_contains "$output" 'by mine pre handle'
	assert_contains "$output" 'comment "not this one"'
	assert_contains "$output" "> host: dropped here"
}

@test "what the rules say of an unreadable thing is unknown, with its name" {
	start_containers
	on_host iptables -t mangle -I PREROUTING -m string --string x --algo bm -j DROP
	cloche debug network --format json web >"$ENGINE_DIR/claims"
	[ "$(verdicts 'hosts beside' unknown)" -ge 2 ]
	assert_contains "$(cloche debug network web)" "it depends on what cannot be known: match string"
}

@test "without a container it lists all networks; refusals have words" {
	start_containers
	run -0 cloche debug network
	assert_contains "$output" "web 10.77.0.2/24 fd77::2/64"
	assert_contains "$output" "[::]:8080/tcp -> 80 of web"
	assert_contains "$output" "stands"
	run -0 cloche debug network --format json
	echo "$output" | python3 -c 'import json, sys
d = json.load(sys.stdin)
assert {n["Name"] for n in d["Networks"]} >= {"app", "other"}, d["Networks"]'
	run -1 cloche debug network nosuch
	assert_contains "$output" "No such container: nosuch"
	cloche run -d --name alone --network none cloche/busybox sleep 1000 >/dev/null
	run -1 cloche debug network alone
	assert_contains "$output" "is in no network of its own"
	run -125 cloche debug network --format yaml
	run -1 cloche debug network --from 192.0.2.9%nodevice web
	assert_contains "$output" "no such device"
}
