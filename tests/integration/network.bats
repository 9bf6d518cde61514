#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Networks as users manage them: made, listed, shown, connected, removed, pruned. Each test has a host of
# its own, a network namespace with nothing in it; what flows through networks is network_life.bats'.
bats_require_minimum_version 1.5.0
load helpers

setup() { setup_network_engine; }
teardown() { teardown_network_engine; }

network() { cloche network inspect "$1" | jq -cS ".[0] | $2"; } # NAME JQ_FILTER

# Devices of the host, without their states, which come and go.
devices() { on_host ip -br link | awk '{ print $1, $3 }'; }

# refusals: each line "ARGUMENT...|what is said", for the `network` command; all of them end with 1.
refusals() {
	local arguments said
	while IFS='|' read -r arguments said; do
		[ -n "$arguments" ] || continue
		echo "network $arguments"
		# shellcheck disable=SC2086 # words
		run -1 --separate-stderr cloche network $arguments
		# shellcheck disable=SC2154 # bats sets it
		assert_contains "$stderr" "$said"
	done
}

@test "three networks are there before anybody makes one, and stay the same" {
	local ids
	assert_equal "$(cloche network ls | sed -E 's/^[0-9a-f]{12} /ID /; s/ +/ /g')" "NETWORK ID NAME DRIVER SCOPE
ID bridge bridge local
ID host host local
ID none null local"
	ids=$(cloche network ls -q --no-trunc)
	assert_equal "$(grep -cE '^[0-9a-f]{64}$' <<<"$ids")" 3
	assert_equal "$(cloche network list -q)" "$(cut -c1-12 <<<"$ids")"
	assert_equal "$(cloche network inspect bridge | jq -r '.[0] | keys_unsorted | join(" ")')" \
		"Name Id Created Scope Driver EnableIPv6 IPAM Internal Attachable Ingress ConfigFrom ConfigOnly Containers Options Labels"
	assert_equal "$(network bridge '[.Driver, .Scope, .IPAM.Driver, .IPAM.Options, (.IPAM.Config | length), .Containers, .Labels]')" \
		'["bridge","local","default",null,1,{},{}]'
	assert_equal "$(network bridge '.Options | keys')" "$(printf '["com.docker.network.%s",' \
		bridge.default_bridge bridge.enable_icc bridge.enable_ip_masquerade bridge.host_binding_ipv4 bridge.name driver.mtu |
		sed 's/\[/"/2g; s/""/"/g; s/,$/]/')"
	assert_equal "$(network none '[.Driver, .IPAM.Config, .Options]')" '["null",[],{}]'
	assert_equal "$(network host '[.Driver, .IPAM.Config, .Options]')" '["host",[],{}]'
}

@test "a network keeps what it was made with, and shows it as Docker does" {
	local id
	id=$(cloche network create --subnet 10.1.0.0/24 --gateway 10.1.0.9 --ip-range 10.1.0.128/25 --aux-address h=10.1.0.5 \
		--aux-address g=10.1.0.6 --label a=b --label c -o com.docker.network.bridge.name=brx -o x --ipam-opt y=z \
		--internal --attachable front)
	[[ $id =~ ^[0-9a-f]{64}$ ]]
	assert_equal "$(network front 'del(.Created)')" "$(jq -cnS --arg id "$id" '{
		Name: "front", Id: $id, Scope: "local", Driver: "bridge", EnableIPv6: false,
		IPAM: {Driver: "default", Options: {y: "z"}, Config: [{Subnet: "10.1.0.0/24", IPRange: "10.1.0.128/25",
			Gateway: "10.1.0.9", AuxiliaryAddresses: {g: "10.1.0.6", h: "10.1.0.5"}}]},
		Internal: true, Attachable: true, Ingress: false, ConfigFrom: {Network: ""}, ConfigOnly: false,
		Containers: {}, Options: {"com.docker.network.bridge.name": "brx", x: ""}, Labels: {a: "b", c: ""}}')"
	# By the beginning of its id, and by `inspect` of no type.
	assert_equal "$(cloche network inspect -f '{{.Name}} {{.Id}}' "${id:0:12}")" "front $id"
	assert_equal "$(cloche inspect -f '{{.IPAM.Config}} {{.Labels}}' front)" \
		"[{10.1.0.0/24 10.1.0.128/25 10.1.0.9 map[g:10.1.0.6 h:10.1.0.5]}] map[a:b c:]"
	assert_equal "$(cloche network ls -f name=front --format '{{.Name}} {{.Internal}} {{.IPv6}} {{.Labels}} {{.Label "a"}}')" \
		"front true false a=b,c= b"
	# A subnet without a gateway is shown without one, a subnet that nobody chose with all there is.
	cloche network create --subnet 10.2.0.0/24 back
	assert_equal "$(network back .IPAM.Config)" '[{"Subnet":"10.2.0.0/24"}]'
	cloche network create --ipv6 --subnet fd00:7::/64 --subnet 10.3.0.0/24 both
	assert_equal "$(network both '[.EnableIPv6, .IPAM.Config]')" '[true,[{"Subnet":"10.3.0.0/24"},{"Subnet":"fd00:7::/64"}]]'
	cloche network create free
	assert_equal "$(network free '.IPAM.Config[0] | keys')" '["Gateway","Subnet"]'
}

@test "a list has the columns, the order, the formats and the filters of Docker's" {
	cloche network create --label k=v --label tier=web n10
	cloche network create --label k=w n9
	cloche network create --internal other
	assert_equal "$(cloche network ls --format '{{.Name}}' | paste -sd ' ')" "bridge host n9 n10 none other"
	assert_equal "$(cloche network ls --format 'table {{.Name}}\t{{.Internal}}\t{{.Label "tier"}}' -f name=n10)" "NAME      INTERNAL   tier
n10       false      web"
	assert_equal "$(cloche network ls -f name=other --format json | jq -r 'keys | join(" ")')" \
		"CreatedAt Driver ID IPv4 IPv6 Internal Labels Name Scope"
	[[ $(cloche network ls -f name=other --format '{{.CreatedAt}}') =~ ^20[0-9-]{8}\ [0-9:]{8}(\.[0-9]+)?\ \+0000\ UTC$ ]]
	local filters names
	while IFS='|' read -r filters names; do
		echo "network ls $filters"
		# shellcheck disable=SC2086 # words
		assert_equal "$(cloche network ls $filters --format '{{.Name}}' | paste -sd ' ')" "$names"
	done <<-EOT
		-f driver=null -f driver=host|host none
		-f name=n|n9 n10 none
		-f name=^n1|n10
		-f id=$(cloche network ls -q -f name=other)|other
		-f label=k|n9 n10
		-f label=k=v|n10
		-f label=k -f label=tier=web|n10
		-f scope=local -f type=custom|n9 n10 other
		-f scope=swarm|
		-f type=builtin|bridge host none
		-f dangling=true|n9 n10 other
		-f dangling=false|bridge host none
	EOT
	refusals <<-EOT
		ls -f foo=bar|invalid filter 'foo'
		ls -f label=nosuch -f type=x|invalid filter 'type=[x]'
		ls -f dangling=x|invalid filter 'dangling=[x]'
		ls --format {{.Nope}}|can't evaluate field Nope in type *network.networkContext
	EOT
}

@test "what cannot be made is refused in Docker's words, and nothing is left of it" {
	local before
	cloche network create --subnet 10.1.0.0/16 -o com.docker.network.bridge.name=brx taken
	before=$(cloche network ls; snapshot_tree "$CLOCHE_ROOT"; devices)
	refusals <<-EOT
		create taken|network with name taken already exists
		create bridge|operation is not permitted on predefined bridge network
		create host|operation is not permitted on predefined host network
		create none|operation is not permitted on predefined none network
		create default|operation is not permitted on predefined default network
		create --subnet 10.1.2.0/24 x|Pool overlaps with other one on this address space
		create --subnet foo x|invalid CIDR address: foo
		create --subnet 10.2.0.0 x|invalid CIDR address: 10.2.0.0
		create --gateway 10.9.0.1 x|every ip-range or gateway must have a corresponding subnet
		create --subnet 10.3.0.0/24 --gateway 10.9.0.1 x|no matching subnet for gateway 10.9.0.1
		create --subnet 10.3.0.0/24 --gateway foo x|no matching subnet for gateway foo
		create --subnet 10.3.0.0/24 --ip-range 10.9.0.0/25 x|no matching subnet for range 10.9.0.0/25
		create --subnet 10.3.0.0/24 --ip-range foo x|invalid CIDR address: foo
		create --subnet 10.3.0.0/24 --aux-address a=1.2.3.4 x|no matching subnet for aux-address 1.2.3.4
		create --subnet 10.3.0.0/24 --aux-address a x|no matching subnet for aux-address
		create --subnet 10.3.0.0/24 --subnet 10.3.0.0/25 x|multiple overlapping subnet configuration is not supported
		create --subnet 10.3.0.0/24,10.4.0.0/24 x|bridge driver doesn't support multiple subnets
		create --subnet 10.3.0.0/16 --subnet fd00::/64 --ip-range 10.3.1.0/24 --ip-range 10.3.2.0/24 x|cannot configure multiple ranges (10.3.2.0/24, 10.3.1.0/24) on the same subnet (10.3.0.0/16)
		create --subnet 10.3.0.0/16 --subnet fd00::/64 --gateway 10.3.0.1 --gateway 10.3.0.2 x|cannot configure multiple gateways (10.3.0.2, 10.3.0.1) for the same subnet (10.3.0.0/16)
		create -d overlay --attachable x|This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.
		create -d foo x|plugin "foo" not found
		create -d host x|only one instance of "host" network is allowed
		create -d null x|only one instance of "null" network is allowed
		create --ipam-driver foo x|plugin "foo" not found
		create --scope swarm x|cannot create a swarm scoped network when swarm is not active
		create --ingress x|Ingress network can only be global scope network
		create --config-only x|networks that only hold a configuration for others are not supported
		create --config-from taken x|networks that only hold a configuration for others are not supported
		create --ipv4=false x|networks without IPv4 are not supported
		create -o com.docker.network.bridge.name=brx x|networks have same bridge name
		create -o com.docker.network.driver.mtu=foo x|failed to parse com.docker.network.driver.mtu value: foo (
		create -o com.docker.network.bridge.enable_icc=foo x|failed to parse com.docker.network.bridge.enable_icc value: foo (
		create -o com.docker.network.bridge.host_binding_ipv4=foo x|failed to parse com.docker.network.bridge.host_binding_ipv4 value: foo (
		create -o com.docker.network.driver.mtu=-1 x|invalid MTU number: -1
		create -o com.docker.network.bridge.gateway_mode_ipv4=isolated x|com.docker.network.bridge.gateway_mode_ipv4=isolated is not supported: only nat is
		create -o com.docker.network.bridge.gateway_mode_ipv6=foo x|value: foo (unknown gateway mode foo)
		create --subnet 10.3.0.0/24 --gateway 10.3.0.0 x|failed to allocate gateway (10.3.0.0): Address already in use
		create --subnet 10.3.0.0/24 --aux-address a=10.3.0.255 x|failed to allocate secondary ip address (a:10.3.0.255): Address already in use
		create|'cloche network create' requires 1 argument
		create a b|'cloche network create' requires 1 argument
	EOT
	run -125 cloche network create --label =x x
	assert_contains "$output" "invalid argument \"=x\" for \"--label\" flag: invalid label '=x': empty name"
	assert_equal "$(cloche network ls; snapshot_tree "$CLOCHE_ROOT"; devices)" "$before"
}

@test "the subnet that nobody named overlaps nothing that the host or another network has" {
	local subnets
	on_host ip link add name busy type bridge
	on_host ip address add 172.18.5.1/24 dev busy
	on_host ip link set busy up
	on_host ip route add 172.19.128.0/17 dev busy
	cloche network create --subnet 172.20.0.0/24 named
	cloche network create a
	cloche network create b
	subnets=$(cloche network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' bridge a b)
	assert_equal "$(sort -u <<<"$subnets" | wc -l)" 3
	run ! grep -E '^172\.(18|19|20)\.' <<<"$subnets"
	assert_equal "$(cloche network inspect -f '{{range .IPAM.Config}}{{.Gateway}}{{end}}' a)" \
		"$(sed -n 2p <<<"$subnets" | sed 's#0/.*#1#')"
}

@test "networks are removed by name or by the beginning of an id, each for itself" {
	local id
	cloche network create one >/dev/null
	cloche network create two >/dev/null
	id=$(cloche network create three)
	run -1 --separate-stderr cloche network rm one nosuch bridge "${id:0:12}" two
	assert_equal "$output" "one
${id:0:12}
two"
	assert_equal "$stderr" "Error response from daemon: network nosuch not found
Error response from daemon: bridge is a pre-defined network and cannot be removed"
	refusals <<-EOT
		rm one|Error response from daemon: network one not found
		rm -f none|none is a pre-defined network and cannot be removed
		inspect one|Error response from daemon: network one not found
		rm|'cloche network rm' requires at least 1 argument
	EOT
	assert_equal "$(cloche network rm -f one)" ""
	assert_equal "$(cloche network ls -q | wc -l)" 3
	# The name is free again, and whoever has it now is another.
	[ "$(cloche network create three)" != "$id" ]
}

@test "the last network that stands takes the rules along" {
	local name
	for name in one two; do
		cloche network create $name >/dev/null
		cloche run --rm --network $name cloche/busybox true
	done
	cloche network rm one >/dev/null
	assert_contains "$(on_host nft list tables)" "table inet cloche-"
	cloche network rm two >/dev/null
	assert_equal "$(on_host nft list tables)" ""
	cloche network create three >/dev/null
	cloche run --rm --network three cloche/busybox true
	assert_contains "$(on_host nft list tables)" "table inet cloche-"
}

@test "inspect shows what it finds and says what it does not find" {
	cloche network create one >/dev/null
	run -1 --separate-stderr cloche network inspect nosuch one -f '{{.Name}}'
	assert_equal "$output|$stderr" "one|Error response from daemon: network nosuch not found"
	run -1 --separate-stderr cloche network inspect nosuch
	assert_equal "$output|$stderr" "[]|Error response from daemon: network nosuch not found"
	run -1 cloche network inspect -f '{{.Nope}}' one
	assert_contains "$output" 'map has no entry for key "Nope"'
	assert_equal "$(cloche network inspect -v -f '{{index .Options "com.docker.network.driver.mtu"}}' bridge)" 1500
	assert_equal "$(cloche inspect --type network -f '{{.Driver}} {{.ID}}' one)" "bridge $(cloche network ls -q --no-trunc -f name=^one)"
	# Containers and images go before networks of the same name, volumes come after.
	cloche volume create one >/dev/null
	assert_equal "$(cloche inspect one | jq -r '.[0].Driver')" bridge
	cloche network rm one >/dev/null
	assert_equal "$(cloche inspect one | jq -r '.[0].Driver')" local
}

@test "prune takes what nobody uses and what the filters say, and asks first" {
	cloche network create --label keep=yes a >/dev/null
	cloche network create b >/dev/null
	run -0 cloche network prune <<<n
	assert_equal "$output" "WARNING! This will remove all custom networks not used by at least one container.
Are you sure you want to continue? [y/N] "
	assert_equal "$(cloche network ls -q -f type=custom | wc -l)" 2
	assert_equal "$(cloche network prune -f --filter until=1h)" ""
	assert_equal "$(cloche network prune -f --filter label!=keep)" "Deleted Networks:
b"
	refusals <<-EOT
		prune -f --filter foo=bar|invalid filter 'foo'
		prune -f --filter until=foo|failed to parse value as time or duration: "foo"
	EOT
	assert_equal "$(cloche system prune -f)" "Deleted Networks:
a

Total reclaimed space: 0B"
	assert_equal "$(cloche network prune -f)" ""
}

@test "events tell of networks that are made, removed and pruned" {
	local id begin
	begin=$(date +%s)
	id=$(cloche network create --label x=y told)
	cloche network rm told
	cloche network create gone >/dev/null
	cloche network prune -f
	assert_equal "$(cloche events --since "$begin" --until "$(($(date +%s) + 1))" --filter type=network --format json |
		jq -c '[.Action, .Actor.Attributes]' | sed "s/$id/ID/")" \
		'["create",{"name":"told","type":"bridge"}]
["destroy",{"name":"told","type":"bridge"}]
["create",{"name":"gone","type":"bridge"}]
["destroy",{"name":"gone","type":"bridge"}]
["prune",{"reclaimed":"0"}]'
	assert_equal "$(cloche events --since "$begin" --until "$(($(date +%s) + 1))" --filter network=told --format '{{.Action}} {{.Actor.ID}}')" \
		"create $id
destroy $id"
}

@test "names that are no names are refused, and lead to no file" {
	local name before
	cloche network ls >/dev/null
	before=$(snapshot_tree "$CLOCHE_ROOT")
	for name in ../x ../../x a/b /etc/passwd . .. .x -- '' ' ' 'a b' $'a\nb' $'a\tb' $'\x1b[31m' ü $'\xff' %s '*' "$(printf 'a%.0s' {1..300})" \
		"$(head -c 65536 /dev/zero | tr '\0' a)" "$(head -c 65536 /dev/zero | tr '\0' /)"; do
		echo "name ${name:0:20}, ${#name} characters"
		run -1 cloche network create -- "$name"
		[[ $output == *cloche* || $output == "Error response from daemon: "* ]]
		run -1 cloche network rm -- "$name"
		run -1 cloche network inspect -- "$name"
		run -1 cloche network rm -- "${name:0:1}"
	done
	assert_equal "$(snapshot_tree "$CLOCHE_ROOT")" "$before"
	assert_equal "$(cloche network ls -q | wc -l)" 3
	# An id's beginning that several share, and a name that looks like the beginning of another's id.
	local id
	id=$(cloche network create a)
	cloche network create "${id:0:12}" >/dev/null
	assert_equal "$(cloche network inspect -f '{{.Name}}' "${id:0:12}")" "${id:0:12}"
	assert_equal "$(cloche network inspect -f '{{.Name}}' "$id")" a
}

@test "of many who make the same at once one does, and nobody gets another's addresses" {
	local i pids=()
	for i in {1..8}; do
		{ cloche network create same || true; } >"$ENGINE_DIR/same.$i" 2>&1 &
		pids+=($!)
		{ cloche network create --subnet "10.7.0.0/$((15 + i))" "overlap$i" || true; } >"$ENGINE_DIR/overlap.$i" 2>&1 &
		pids+=($!)
		{ cloche network create "free$i" || true; } >"$ENGINE_DIR/free.$i" 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	assert_equal "$(cat "$ENGINE_DIR"/same.* | grep -cE '^[0-9a-f]{64}$')" 1
	assert_equal "$(cat "$ENGINE_DIR"/same.* | grep -c 'network with name same already exists')" 7
	assert_equal "$(cat "$ENGINE_DIR"/overlap.* | grep -cE '^[0-9a-f]{64}$')" 1
	assert_equal "$(cat "$ENGINE_DIR"/overlap.* | grep -c 'Pool overlaps with other one on this address space')" 7
	assert_equal "$(cat "$ENGINE_DIR"/free.* | grep -cE '^[0-9a-f]{64}$')" 8
	assert_equal "$(cloche network ls -q | sort -u | wc -l)" 13
	mapfile -t names < <(cloche network ls --format '{{.Name}}' -f driver=bridge)
	assert_equal "$(cloche network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' "${names[@]}" | sort -u | wc -l)" 11
}

@test "two engines on one host choose different subnets and share nothing" {
	local other=(cloche --root "$ENGINE_DIR/data2" --run-root "$ENGINE_DIR/run2") subnets
	cloche network create a >/dev/null
	"${other[@]}" network create a >/dev/null
	subnets=$(cloche network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' bridge a
		"${other[@]}" network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' bridge a)
	echo "$subnets"
	[ "$(cloche network inspect -f '{{index .Options "com.docker.network.bridge.name"}}' bridge)" != \
		"$("${other[@]}" network inspect -f '{{index .Options "com.docker.network.bridge.name"}}' bridge)" ]
}

addresses() { # CONTAINER
	cloche exec "$1" ip -o -4 address | awk '$2 != "lo" { print $2, $4 }'
}

# Two networks, front and back, and a container in front.
setup_front() { # run OPTION...
	cloche network create --subnet 10.1.0.0/24 front >/dev/null
	cloche network create --subnet 10.2.0.0/24 back >/dev/null
	cloche "$@" --name web --network front cloche/busybox sleep 1000 >/dev/null
}

@test "a running container is connected and disconnected at once, and a network shows who is in it" {
	local id back
	setup_front run -d
	id=$(inspect web .Id)
	back=$(network back .Id | tr -d '"')
	assert_equal "$(network front '.Containers | map_values(del(.EndpointID))')" "$(jq -cnS --arg id "$id" '{($id):
		{Name: "web", MacAddress: "02:42:0a:01:00:02", IPv4Address: "10.1.0.2/24", IPv6Address: ""}}')"
	[[ $(network front '.Containers[].EndpointID') =~ ^\"[0-9a-f]{64}\"$ ]]
	cloche network connect --ip 10.2.0.77 --alias db --alias cache --driver-opt a=b back web
	assert_equal "$(addresses web)" "eth0 10.1.0.2/24
eth1 10.2.0.77/24"
	assert_equal "$(network back '.Containers | map(.IPv4Address)')" '["10.2.0.77/24"]'
	assert_equal "$(inspect web '.NetworkSettings.Networks.back | "\(.IPAMConfig.IPv4Address) \(.IPAddress) \(.Aliases | join(",")) \(.DriverOpts.a) \(.NetworkID)"')" \
		"10.2.0.77 10.2.0.77 db,cache,${id:0:12} b $back"
	refusals <<-EOT
		connect back web|endpoint with name web already exists in network back
		connect nosuch web|network nosuch not found
		connect back nosuch|No such container: nosuch
		connect --driver-opt foo back web|invalid key/value pair format in driver options
		connect host web|container cannot be disconnected from host network or connected to host network
		connect none web|container cannot be connected to multiple networks with one of the networks in private (none) mode
		connect bridge web --alias xx|network-scoped alias is supported only for containers in user defined networks
		connect bridge web --ip 1.2.3.4|user specified IP address is supported on user defined networks only
		connect back|'cloche network connect' requires 2 arguments
		disconnect nosuch web|network nosuch not found
		disconnect back nosuch|No such container: nosuch
		rm back|Error response from daemon: error while removing network: network back id $back has active endpoints
		rm -f back|Error response from daemon: error while removing network: network back id $back has active endpoints
	EOT
	# Who is in use stays.
	assert_equal "$(cloche network prune -f)" ""
	assert_equal "$(cloche network ls -qf dangling=true)" ""
	assert_equal "$(cloche network ls -f dangling=false -f type=custom --format '{{.Name}}' | paste -sd ' ')" "back front"
	cloche network disconnect back web
	assert_equal "$(addresses web)" "eth0 10.1.0.2/24"
	assert_equal "$(network back .Containers)" '{}'
	refusals <<-EOT
		disconnect back web|container $id is not connected to
	EOT
	assert_equal "$(cloche network ls -f dangling=true --format '{{.Name}}')" back
	cloche network rm back
	cloche rm -f web >/dev/null
	assert_equal "$(network front .Containers)" '{}'
}

@test "a stopped container is connected when it starts, to what is there then" {
	local i
	setup_front create
	cloche network connect back web --ip 10.2.0.9
	assert_equal "$(inspect web '.NetworkSettings.Networks | keys | join(" ")')" "back front"
	assert_equal "$(network back .Containers)" '{}'
	cloche start web >/dev/null
	assert_equal "$(addresses web)" "eth0 10.1.0.2/24
eth1 10.2.0.9/24"
	# Whoever is told that it has stopped finds its networks free of it, each time.
	for i in 1 2 3 4 5; do
		cloche stop -t 0 web >/dev/null
		assert_equal "$(network back .Containers)" '{}'
		[ "$i" -eq 5 ] || cloche start web >/dev/null
	done
	cloche network rm back
	run -1 cloche start web
	assert_contains "$output" "network back not found"
	cloche network disconnect -f back web
	cloche start web >/dev/null
	[[ $(addresses web) =~ ^eth0\ 10\.1\.0\.[0-9]+/24$ ]]
}

@test "after a boot the networks are there, and work" {
	local before bridge
	setup_front run -d
	bridge=br-$(cloche network ls -qf name=front)
	on_host ip link show "$bridge" >/dev/null
	cloche stop -t 0 web >/dev/null
	before=$(cloche network inspect front back bridge none host)
	boot_network_host
	assert_equal "$(cloche network inspect front back bridge none host)" "$before"
	cloche start web >/dev/null
	assert_equal "$(addresses web)" "eth0 10.1.0.2/24"
	on_host ip -br address show "$bridge" | grep -F 10.1.0.1/24
	# What is removed is gone, device and all.
	cloche rm -f web >/dev/null
	cloche network rm front
	run ! on_host ip link show "$bridge"
}
