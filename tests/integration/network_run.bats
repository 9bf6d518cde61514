#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# run, create and start with networks: what a container is connected to, and how inspect, ps, port and
# events show it. Every test has a host of its own.
bats_require_minimum_version 1.5.0
load helpers
setup() { setup_network_engine; }
teardown() { teardown_network_engine; }

# refused WORDS OPTION...
refused() {
	run -125 cloche run --rm "${@:2}" cloche/busybox true
	assert_contains "$output" "$1"
}

up() { cloche run -d "$@" cloche/busybox sleep 1000 >/dev/null; }

endpoint() { # CONTAINER NETWORK FIELD
	cloche inspect -f "{{(index .NetworkSettings.Networks \"$2\").$3}}" "$1"
}

@test "the default network: a device, an address, a route, names in its files" {
	local id address
	id=$(cloche run -d --name box --domainname d.example --add-host db:10.9.8.7 --add-host gate:host-gateway cloche/busybox sleep 1000)
	address=$(endpoint box bridge IPAddress)
	[[ $address =~ ^172\.17\.0\.[0-9]+$ ]]
	assert_contains "$(cloche exec box ip -4 addr show eth0)" "inet $address/16"
	assert_contains "$(cloche exec box ip route)" "default via 172.17.0.1 dev eth0"
	assert_contains "$(cloche exec box ip link show eth0)" "$(endpoint box bridge MacAddress)"
	run -0 cloche exec box cat /etc/hosts
	assert_contains "$output" $'10.9.8.7\tdb'
	assert_contains "$output" $'172.17.0.1\tgate'
	assert_equal "${lines[-1]}" "$address"$'\t'"${id:0:12}.d.example ${id:0:12}"
	# Seen from the host, and there to be spoken with.
	on_host busybox ping -c 1 -W "$(patience 5)" "$address"
	cloche exec box ping -c 1 -W "$(patience 5)" 172.17.0.1
	assert_equal "$(inspect box .HostConfig.NetworkMode) $(inspect box .NetworkSettings.Gateway)" "default 172.17.0.1"
	assert_equal "$(inspect box .NetworkSettings.SandboxKey)" "/proc/$(container_pid box)/ns/net"
	assert_equal "$(cloche ps --format '{{.Networks}}')" bridge
	[ "$(endpoint box bridge NetworkID | wc -c)" -eq 65 ]
	[ "$(endpoint box bridge EndpointID | wc -c)" -eq 65 ]
	# Stopped it has none of that, but remembers what it was connected to.
	cloche stop -t 0 box
	assert_equal "$(endpoint box bridge IPAddress)$(endpoint box bridge EndpointID)" ""
	[ "$(endpoint box bridge NetworkID | wc -c)" -eq 65 ]
	wait_for 5 network_is_clean
	cloche start box
	cloche exec box ip addr show eth0
}

@test "--network none, host, container: without a device, with the host's, with another's" {
	up --name none --network none --expose 90 -p 80
	assert_equal "$(cloche exec none ls /sys/class/net)" lo
	assert_equal "$(inspect none .NetworkSettings.Ports)" "{}"
	run -0 --separate-stderr cloche run --rm --network host -p 80 cloche/busybox readlink /proc/self/ns/net
	assert_equal "$output" "$(on_host readlink /proc/self/ns/net)"
	assert_contains "$stderr" "Published ports are discarded when using host network mode"
	up --name donor
	run -0 cloche run --rm --network container:donor cloche/busybox cat /etc/hosts
	assert_contains "$output" "$(endpoint donor bridge IPAddress)"
	refused "conflicting options: port publishing and the container type network mode" --network container:donor -p 80
	refused "conflicting options: mac-address and the network mode" --network container:donor --mac-address 02:42:0a:00:00:02
	refused "conflicting options: host type networking can't be used with links." --network host --link donor
	local none="container cannot be connected to multiple networks with one of the networks in private (none) mode"
	local other="container sharing network namespace with another container or host cannot be connected to any other network"
	local address="user specified IP address is supported on user defined networks only"
	refused "invalid MAC address: 00:00:00:00:00:00" --mac-address 00:00:00:00:00:00
	assert_equal "$(cloche run --rm --mac-address 0242.0A00.0007 cloche/busybox cat /sys/class/net/eth0/address)" 02:42:0a:00:00:07
	refused "$none" --network none --network host
	refused "$none" --network bridge --network none
	refused "container cannot be disconnected from host network or connected to host network" --network bridge --network host
	refused "$other" --network container:donor --network bridge
	refused "$address" --network none --ip 10.0.0.9
	refused "$address" --network host --ip 10.0.0.9
	refused "Invalid network mode: invalid container format container:<name|id>" --network container
	refused "cloche: network-scoped aliases are only supported for user-defined networks" --network name=bridge,alias=x
	refused 'cloche: network "none" is specified multiple times' --network none --network none
	run -0 --separate-stderr cloche run --rm --network host -P cloche/busybox true
	assert_equal "$stderr" ""
}

@test "published ports: ranges, addresses, protocols, and what shows them" {
	up --name web -p 8080:80 -p 127.0.0.1::53/udp -p 7000-7002:7000-7002 --expose 90
	local udp
	udp=$(inspect web '.NetworkSettings.Ports["53/udp"][0].HostPort')
	assert_equal "$(cloche port web)" "53/udp -> 127.0.0.1:$udp
80/tcp -> 0.0.0.0:8080
80/tcp -> [::]:8080
7000/tcp -> 0.0.0.0:7000
7000/tcp -> [::]:7000
7001/tcp -> 0.0.0.0:7001
7001/tcp -> [::]:7001
7002/tcp -> 0.0.0.0:7002
7002/tcp -> [::]:7002"
	assert_equal "$(cloche port web 80/tcp)" $'0.0.0.0:8080\n[::]:8080'
	run -1 cloche port web 80/udp
	assert_equal "$output" "Error: No public port '80/udp' published for web"
	run -1 cloche port web x
	assert_contains "$output" "Error: invalid port (x)"
	assert_equal "$(cloche ps --format '{{.Ports}}')" \
		"90/tcp, 0.0.0.0:7000-7002->7000-7002/tcp, [::]:7000-7002->7000-7002/tcp, 127.0.0.1:$udp->53/udp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp"
	cloche inspect web | jq -e '.[0] |
		.NetworkSettings.Ports["80/tcp"] == [{HostIp: "0.0.0.0", HostPort: "8080"}, {HostIp: "::", HostPort: "8080"}] and
		.NetworkSettings.Ports["90/tcp"] == null and
		.HostConfig.PortBindings["80/tcp"] == [{HostIp: "", HostPort: "8080"}] and
		.HostConfig.PortBindings["53/udp"] == [{HostIp: "127.0.0.1", HostPort: ""}] and
		(.Config.ExposedPorts | keys) == ["53/udp", "7000/tcp", "7001/tcp", "7002/tcp", "80/tcp", "90/tcp"]'
	local filter shown=""
	for filter in publish=8080 publish=7001-9000/tcp "publish=$udp/udp" expose=90 publish=80 publish=90 "publish=$udp"; do
		shown+="$(cloche ps -q -f "$filter" | wc -l) "
	done
	assert_equal "$shown" "1 1 1 1 0 0 0 "
	assert_equal "$(cloche port web "")" "$(cloche port web)"
	# What is taken is taken, and by whom is said.
	refused "Bind for 0.0.0.0:8080 failed: port is already allocated" -p 8080:80
	wait_for 5 eval '[ "$(network_leftovers | grep -c ^address)" -eq 1 ]'
	cloche stop -t 0 web
	assert_equal "$(cloche ps -a --format '{{.Ports}}')$(cloche port web)" ""
	cloche run --rm -p 8080:80 cloche/busybox true
}

# The page there, by what every host of tests has (busybox's wget dies looking for the host's libraries).
fetch() { # ADDRESS PORT
	# shellcheck disable=SC2016 # expanded by the inner shell
	on_host timeout "$(patience 10)" bash -c \
		'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && tail -n 1 <&3' "$1" "$2"
}

@test "a published port leads to the container, and -P publishes what is exposed" {
	local port
	cloche run -d --name web -P --expose 80 --expose 90/udp cloche/busybox \
		sh -c 'mkdir /w; echo hello >/w/index.html; exec httpd -f -p 80 -h /w' >/dev/null
	port=$(cloche port web 80 | sed -n 's/^0.0.0.0://p')
	wait_for 10 eval 'cloche exec web wget -qO- 127.0.0.1'
	assert_equal "$(fetch 127.0.0.1 "$port")" hello
	assert_equal "$(fetch 172.17.0.1 "$port")" hello
	assert_equal "$(cloche port web | wc -l)" 4
	# The same after it was started again.
	cloche restart -t 0 web
	port=$(cloche port web 80 | sed -n 's/^0.0.0.0://p')
	wait_for 10 eval 'cloche exec web wget -qO- 127.0.0.1'
	assert_equal "$(fetch 127.0.0.1 "$port")" hello
}

@test "links on the default network are lines in hosts" {
	local id
	id=$(cloche run -d --name db -h dbhost cloche/busybox sleep 1000)
	up --name app --link db:store
	assert_contains "$(cloche exec app cat /etc/hosts)" "$(endpoint db bridge IPAddress)"$'\tstore dbhost db'
	cloche exec app ping -c 1 -W "$(patience 5)" store
	cloche inspect app | jq -e '.[0].HostConfig.Links == ["/db:/app/store"]'
	refused "could not get container for nope: No such container: nope" --link nope:x
	cloche create --name idle cloche/busybox true
	refused "Cannot link to a non running container: /idle AS " --link idle:x
}

@test "resolv.conf: the host's without its own resolvers, or what was asked for" {
	local conf=$ENGINE_DIR/resolv.conf
	run -0 cloche run --rm --dns 10.1.1.1 --dns-search a.example --dns-option ndots:3 cloche/busybox cat /etc/resolv.conf
	assert_equal "$output" $'search a.example\nnameserver 10.1.1.1\noptions ndots:3'
	printf 'nameserver 127.0.0.53\nsearch b.example\n' >"$conf"
	run -0 unshare --mount sh -c "mount --bind $conf /etc/resolv.conf; cloche run --rm cloche/busybox cat /etc/resolv.conf"
	assert_contains "$output" "search b.example"
	[[ $output != *127.0.0.53* ]]
}

@test "events of a life with a network, once more at each run" {
	so_far() { cloche events --since 1h --until "$(date +%s.%N)" --format '{{.Type}} {{.Action}}' "$@"; }
	cloche run --rm --name gone cloche/busybox true
	assert_equal "$(so_far)" $'container create\ncontainer attach\nnetwork connect\ncontainer start\ncontainer die\nnetwork disconnect\ncontainer destroy'
	cloche events --since 1h --until "$(date +%s.%N)" -f event=disconnect --format json |
		jq -e '.Actor.Attributes | .name == "bridge" and .type == "bridge" and (.container | length) == 64'
	cloche run -d --name again --restart on-failure:1 cloche/busybox false
	wait_for 10 eval 'so_far -f event=disconnect | wc -l | grep -qx 3'
	assert_equal "$(so_far -f event=connect | wc -l)" 3
}

@test "a network that is not there, and addresses that cannot be: Docker's words, nothing left" {
	refused "network nope not found" --network nope
	refused "user specified IP address is supported on user defined networks only" --ip 172.17.0.9
	refused "invalid IPv4 address: 1.2.3" --network nope --ip 1.2.3
	refused "user specified IP address is supported on user defined networks only" --network bridge --ip6 fd00::9
	run -0 cloche ps -aq
	assert_equal "$output" ""
	cloche create --name waits --network nope cloche/busybox true
	run -1 cloche start waits
	assert_contains "$output" "network nope not found"
	assert_equal "$(inspect waits .HostConfig.NetworkMode)" nope
}

@test "a lost monitor's address, device and ports are free again" {
	up --name lost -p 8080:80
	kill -KILL "$(inspect lost .Cloche.MonitorPid)"
	wait_for 10 container_is lost exited
	cloche start lost
	assert_equal "$(cloche port lost 80)" $'0.0.0.0:8080\n[::]:8080'
	kill -KILL "$(inspect lost .Cloche.MonitorPid)"
	wait_for 10 container_is lost exited
	cloche rm lost
	wait_for 5 network_is_clean
	cloche run --rm -p 8080:80 cloche/busybox true
	up --name swept -p 8080:80
	kill -KILL "$(inspect swept .Cloche.MonitorPid)"
	wait_for 10 container_is swept exited
	cloche system check --repair
	wait_for 5 network_is_clean
	run -0 cloche system check
}

@test "several networks: addresses asked for, aliases, links, and names instead of lines in files" {
	cloche network create one >/dev/null
	cloche network create --subnet 10.5.0.0/24 --ipv6 --subnet fd00:5::/64 two >/dev/null
	local id
	id=$(cloche run -d --name app --network name=one,alias=x --network name=two,ip=10.5.0.9,ip6=fd00:5::9,mac-address=02:42:0a:05:00:77 \
		cloche/busybox sleep 1000)
	up --name peer --network one --link app:store
	assert_contains "$(cloche exec app ip addr show eth1)" "inet 10.5.0.9/24"
	assert_contains "$(cloche exec app ip addr show eth1)" "inet6 fd00:5::9/64"
	assert_equal "$(endpoint app two MacAddress) $(endpoint app two GlobalIPv6Address)" "02:42:0a:05:00:77 fd00:5::9"
	assert_equal "$(endpoint app one Aliases)" "[x ${id:0:12}]"
	assert_equal "$(endpoint app two IPAMConfig.IPv4Address)" 10.5.0.9
	assert_equal "$(inspect peer '.HostConfig.Links')$(endpoint peer one Links)" "null[app:store]"
	assert_equal "$(cloche ps --format '{{.Names}} {{.Networks}}' | sort)" $'app one,two\npeer one'
	assert_equal "$(cloche ps -q -f network=two | wc -l) $(cloche ps -q -f "network=$(endpoint app one NetworkID)" | wc -l)" "1 2"
	assert_equal "$(cloche ps --format '{{.Names}}' -f "network=$(endpoint app two NetworkID | cut -c 1-12)")" app
	assert_equal "$(cloche exec app cat /etc/resolv.conf | sed -n 's/^nameserver //p')" 127.0.0.11
	local name
	for name in app x "${id:0:12}" app.one store; do cloche exec peer ping -c 1 -W "$(patience 5)" "$name"; done
	refused "user specified IP address is supported only when connecting to networks with user configured subnets" \
		--network one --ip 10.9.9.9
	refused "network-scoped aliases are only supported for user-defined networks" --network name=bridge,alias=y
}

@test "link-local addresses: of run, of one network among several, of connect, again in the next run" {
	cloche network create one >/dev/null
	cloche network create two >/dev/null
	up --name app --network one --link-local-ip 169.254.7.7 --link-local-ip fe80::77
	assert_contains "$(cloche exec app ip addr show eth0)" "inet 169.254.7.7/16"
	assert_contains "$(cloche exec app ip addr show eth0)" "inet6 fe80::77/64"
	assert_equal "$(endpoint app one IPAMConfig.LinkLocalIPs)" "[169.254.7.7 fe80::77]"
	cloche run --rm --network name=one,link-local-ip=169.254.7.8 cloche/busybox ping -c 1 -W "$(patience 5)" 169.254.7.7
	cloche network connect --link-local-ip 169.254.9.9 two app
	assert_contains "$(cloche exec app ip addr show eth1)" "inet 169.254.9.9/16"
	cloche restart -t 0 app
	assert_contains "$(cloche exec app ip addr show eth0)" "inet 169.254.7.7/16"
	assert_contains "$(cloche exec app ip addr show eth1)" "inet 169.254.9.9/16"
	refused "invalid link-local IP address: here" --network one --link-local-ip here
	refused "cannot specify both --link-local-ip and per-network link-local IP addresses" \
		--network name=one,link-local-ip=169.254.7.8 --link-local-ip 169.254.7.9
}

@test "connect and disconnect while it runs: device, files, names, what is shown, what is remembered" {
	cloche network create one >/dev/null
	up --name peer --network one
	up --name late
	local first
	first=$(endpoint late bridge IPAddress)
	for _ in again and; do
		cloche network connect --alias q one late
		cloche exec late ip addr show eth1
		assert_contains "$(cloche exec late cat /etc/hosts)" "$(endpoint late one IPAddress)"
		assert_equal "$(cloche exec late cat /etc/resolv.conf | sed -n 's/^nameserver //p')" 127.0.0.11
		cloche exec late ping -c 1 -W "$(patience 5)" peer
		cloche exec peer ping -c 1 -W "$(patience 5)" q
		run -1 cloche network connect one late
		assert_contains "$output" "endpoint with name late already exists in network one"
		cloche network disconnect one late
		run -1 cloche exec late ip addr show eth1
		assert_equal "$(cloche exec late sed -n '$p' /etc/hosts | cut -f 1)" "$first"
		[[ $(cloche exec late cat /etc/resolv.conf) != *127.0.0.11* ]]
		run ! cloche exec peer ping -c 1 -W 1 q
	done
	# Stopped it is a change of the record, which the next start goes by.
	cloche stop -t 0 late
	cloche network connect one late
	cloche network disconnect bridge late
	assert_equal "$(inspect late '.NetworkSettings.Networks | keys[]')" one
	cloche start late
	assert_equal "$(cloche exec late ls /sys/class/net)" $'eth0\nlo'
	cloche rename late newer
	cloche exec peer ping -c 1 -W "$(patience 5)" newer
	run ! cloche exec peer ping -c 1 -W 1 late
	cloche network disconnect one newer
	cloche restart -t 0 newer
	assert_equal "$(cloche exec newer ls /sys/class/net)" lo
}

@test "what cannot be connected is refused in Docker's words" {
	cloche network create one >/dev/null
	up --name none --network none
	up --name box
	local id
	id=$(inspect box .Id)
	run -1 cloche network connect one none
	assert_contains "$output" "container cannot be connected to multiple networks with one of the networks in private (none) mode"
	run -1 cloche network connect host box
	assert_contains "$output" "container cannot be disconnected from host network or connected to host network"
	run -1 cloche network connect none box
	assert_contains "$output" "one of the networks in private (none) mode"
	run -1 cloche network disconnect one box
	assert_contains "$output" "container $id is not connected to network one"
	run -1 cloche network connect nope box
	assert_contains "$output" "network nope not found"
	cloche stop -t 0 box
	run -1 cloche network disconnect one box
	assert_contains "$output" "container $id is not connected to the network one"
	up --name shares --network container:none
	run -1 cloche network connect one shares
	assert_contains "$output" "container sharing network namespace with another container or host cannot be connected to any other network"
}

@test "hundreds of ports of one container" {
	cloche run -d --name many -p 20000-20299:20000-20299 cloche/busybox sleep 1000
	assert_equal "$(cloche port many | wc -l)" 600
	assert_equal "$(cloche ps --format '{{.Ports}}')" "0.0.0.0:20000-20299->20000-20299/tcp, [::]:20000-20299->20000-20299/tcp"
	assert_equal "$(cloche inspect many | jq '.[0].NetworkSettings.Ports | length')" 300
}

@test "the configuration's bridge and address; none at all" {
	printf '{"cgroup-parent": "/%s", "bridge": "br0", "bip": "10.77.0.1/24"}\n' "$ENGINE_CGROUP" >"$CLOCHE_CONFIG"
	run -0 cloche run --rm cloche/busybox ip route
	assert_contains "$output" "default via 10.77.0.1 dev eth0"
	on_host ip link show br0
	printf '{"cgroup-parent": "/%s", "bridge": "none"}\n' "$ENGINE_CGROUP" >"$CLOCHE_CONFIG"
	assert_equal "$(cloche run --rm cloche/busybox ls /sys/class/net)" lo
	printf '{"cgroup-parent": "/%s", "bip": "10.77.0.1"}\n' "$ENGINE_CGROUP" >"$CLOCHE_CONFIG"
	run -125 cloche run --rm cloche/busybox true
	assert_contains "$output" "bip must be an address with its length"
	printf '{"cgroup-parent": "/%s"}\n' "$ENGINE_CGROUP" >"$CLOCHE_CONFIG"
}

@test "a container of none leaves it, is connected to others, and stays so when it starts again" {
	cloche network create --subnet 10.94.7.0/24 one >/dev/null
	cloche run -d --name box --network none cloche/busybox sleep 1000 >/dev/null
	run -1 cloche network connect none box
	assert_equal "$output" 'Error response from daemon: endpoint with name box already exists in network none'
	cloche network disconnect none box
	assert_equal "$(cloche inspect -f '{{json .NetworkSettings.Networks}}' box)" '{}'
	run -1 cloche network disconnect none box
	assert_contains "$output" 'is not connected to network none'
	cloche network connect --ip 10.94.7.9 one box
	cloche exec box ping -c 1 -W 5 10.94.7.1
	cloche restart -t 0 box
	cloche exec box ping -c 1 -W 5 10.94.7.1
	assert_equal "$(inspect box .NetworkSettings.Networks.one.IPAddress)" 10.94.7.9
	# One that never ran likewise.
	cloche create --name late --network none cloche/busybox true >/dev/null
	cloche network disconnect none late
	cloche network connect one late
	cloche start late
}

# As a router would: raw, for whoever has NET_RAW may, with or without IPv6 of his own.
advertise() { # CONTAINER PREFIX
	nsenter -t "$(container_pid "$1")" -n python3 - "$2" <<-'EOT'
		import socket, struct, sys
		own = b"\xfe\x80" + b"\0" * 13 + b"\x66"
		every = socket.inet_pton(socket.AF_INET6, "ff02::1")
		prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 86400, 14400, 0) + socket.inet_pton(socket.AF_INET6, sys.argv[1])
		def message(check):
		    return struct.pack("!BBHBBHII", 134, 0, check, 64, 0, 1800, 0, 0) + prefix
		text = own + every + struct.pack("!II", len(message(0)), 58) + message(0)
		total = sum(struct.unpack(f"!{len(text) // 2}H", text))
		while total >> 16:
		    total = (total & 0xffff) + (total >> 16)
		packet = struct.pack("!IHBB", 6 << 28, len(message(0)), 58, 255) + own + every + message(~total & 0xffff)
		s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
		s.bind(("eth0", 0))
		s.send(bytes.fromhex("333300000001") + b"\2\0\0\0\0\x66" + b"\x86\xdd" + packet)
	EOT
}

heard() { # advertisements of routers that have come to the host itself
	on_host awk '$1 == "Icmp6InRouterAdvertisements" { print $2 }' /proc/net/snmp6
}
# Through a port of a bridge that has just come up nothing comes for a moment.
is_heard() { # CONTAINER
	local before
	before=$(heard)
	advertise "$1" 2001:db8:bad::
	[ "$(heard)" -gt "$before" ]
}

@test "a container cannot become the host's router by saying so" {
	local name
	# Each order: forwarding of IPv6 goes on with the first network that has it.
	on_host sysctl -qw net.ipv6.conf.all.forwarding=0
	for name in before: shut:--internal six:--ipv6 after:; do
		# shellcheck disable=SC2086 # an option or none
		cloche network create ${name#*:} "${name%%:*}" >/dev/null
		cloche run -d --name "${name%%:*}" --network "${name%%:*}" cloche/busybox sleep 1000 >/dev/null
		wait_for 10 is_heard "${name%%:*}"
	done
	wait_for 10 is_heard before
	# The host has taken in all of them, and made nothing of any.
	assert_equal "$({ on_host ip -6 route && on_host ip -6 address; } | grep -E 'proto ra|2001:db8:bad' || true)" ''
}

@test "a port on one IPv6 address goes on when the network with IPv6 is left" {
	on_host ip -6 address add 2001:db8::5/128 dev lo nodad
	cloche network create --ipv6 --subnet 10.94.8.0/24 --subnet fd94:8::/64 six >/dev/null
	cloche network create --subnet 10.94.9.0/24 four >/dev/null
	cloche run -d --name web --network six --network four -p '[2001:db8::5]:8080:80' cloche/busybox httpd -f -h /etc >/dev/null
	wait_for 10 fetches '[2001:db8::5]' 8080
	cloche network disconnect six web
	wait_for 10 fetches '[2001:db8::5]' 8080
}

fetches() { # ADDRESS PORT: whoever answers, and be it that there is no such page
	on_host python3 -c 'import socket, sys
s = socket.create_connection((sys.argv[1].strip("[]"), int(sys.argv[2])), 5)
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
sys.exit(not s.recv(1))' "$1" "$2"
}
