#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# commit, save and import. That an image stays the image it is, bit for bit, is asked of other programs
# where they are installed.

load helpers
load image_helpers

setup() {
	setup_engine
	cd "$ENGINE_DIR"
}
teardown() {
	cd /
	stop_docker
	teardown_engine
}

id_of() { cloche image inspect -f '{{.Id}} {{.RootFS.Layers}}' "$1"; }

# A container that has changed what layers find difficult.
make_changed() { # NAME
	cloche create --name "$1" --network none -e X=1 -l lab=v -v /vol --entrypoint /bin/sh -w /opt cloche/busybox -c '
		rm /bin/vi; rm -rf /var; mkdir /var; echo new >/var/new; echo 1 >/opt/f; ln /opt/f /opt/g; ln -s f /opt/s
		mkfifo /opt/p; chmod 4755 /opt/f; chown 1000:1001 /opt/s -h; mkdir /opt/d; chmod 1777 /opt/d; echo done >/vol/x
		n=$(printf %0200d 0); mkdir -p "/opt/$n/$n"; echo deep >"/opt/$n/$n/x"; sleep 1000' >/dev/null
	cloche start "$1" >/dev/null
	# The last file, and what is in it.
	ready() { [ -s "/proc/$(container_pid "$1")/root/opt/$(printf %0200d 0)/$(printf %0200d 0)/x" ]; }
	wait_for 10 ready "$1"
}

@test "commit makes an image of what a container is; save and load keep it bit for bit" {
	local id
	make_changed box
	id=$(cloche commit -a 'Me <me@x>' -m words -c 'CMD ["a","b"]' -c 'EXPOSE 80 90/udp' -c 'LABEL a=b "c d"=e' -c 'VOLUME /x /y' \
		-c 'USER 5' -c 'WORKDIR sub' -c 'ONBUILD RUN x' -c 'HEALTHCHECK --interval=5s CMD foo bar' -c 'ENV A=b C="d e"' \
		-c 'STOPSIGNAL SIGINT' box com:1)
	[[ $id == sha256:* ]]
	assert_equal "$(container_is box running && echo yes)" yes
	assert_equal "$(cloche image inspect com:1 | jq -c '.[0] | [.Author, .Comment, .Config.Cmd, .Config.Entrypoint, .Config.User,
		.Config.WorkingDir, .Config.OnBuild, .Config.Healthcheck, .Config.StopSignal, (.Config.ExposedPorts | keys), (.Config.Volumes | keys),
		.Config.Labels.a, .Config.Labels["c d"], .Config.Labels.lab, (.RootFS.Layers | length)]')" \
		'["Me <me@x>","words",["a","b"],["/bin/sh"],"5","/opt/sub",["RUN x"],{"Test":["CMD-SHELL","foo bar"],"Interval":5000000000},"SIGINT",["80/tcp","90/udp"],["/vol","/x","/y"],"b","e","v",2]'
	assert_equal "$(cloche image inspect -f '{{json .Config.Env}}' com:1)" \
		'["X=1","PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","A=b","C=d e"]'

	# what a container of it sees is what the first one had, without the volume's content
	assert_equal "$(cloche run --rm --network none --user 0 --entrypoint /bin/sh com:1 -c \
		'ls /bin/vi /var /vol 2>/dev/null; stat -c "%a %u:%g %h %F" /opt/f /opt/s /opt/p /opt/d; readlink /opt/s; cat /opt/0*/0*/x' | tr '\n' '|')" \
		"/var:|new||/vol:|4755 0:0 2 regular file|777 1000:1001 1 symbolic link|644 0:0 1 fifo|1777 0:0 2 directory|f|deep|"
	# nothing changed, nothing added
	cloche create --name same --network none cloche/busybox true >/dev/null
	cloche commit same same:1 >/dev/null
	assert_equal "$(cloche image inspect -f '{{len .RootFS.Layers}}' same:1)" 1

	# save, remove, load
	id=$(id_of com:1)
	cloche save -o com.tar com:1
	assert_equal "$(stat -c %a com.tar)" 600
	assert_equal "$(cloche save com:1 | sha256sum)" "$(sha256sum - <com.tar)"
	cloche rm -f box same >/dev/null
	cloche rmi -f com:1 same:1 cloche/busybox >/dev/null
	cloche load -q -i com.tar
	assert_equal "$(id_of com:1)" "$id"
	cloche save com:1 | cmp - com.tar
	# several, with every tag of a name; by id without a name
	cloche tag com:1 com:2
	cloche tag com:1 other/name
	cloche save com other/name "${id%% *}" | tar xO manifest.json | jq -c '.[].RepoTags' >tags
	assert_equal "$(cat tags)" '["com:1","com:2","other/name:latest"]'

	run cloche save nosuch
	assert_equal "$status $output" "1 Error response from daemon: reference does not exist"
	run cloche save -o /nosuch/x com:1
	assert_equal "$output" "cloche: failed to save image: invalid output path: stat /nosuch: no such file or directory"
	# a layer whose files were meddled with is noticed, and no archive is left
	echo x >>"$(find "$CLOCHE_ROOT"/overlay2 -path '*/diff/var/new')"
	run cloche save -o bad.tar com:1
	assert_status 1
	[ ! -e bad.tar ]
	[[ $output == *"its files are not what was loaded"* ]]
	rm "$CLOCHE_ROOT"/image/overlay2/layerdb/sha256/*/tar-record.zst
	run cloche save -o bad.tar com:1
	assert_status 1
	[[ $output == *"kept no record of its tar"* ]]
}

@test "what save writes is the same image to docker, skopeo and tar" {
	local id=""
	make_changed box
	cloche commit box com:1 >/dev/null
	cloche save -o com.tar com:1
	id=$(id_of com:1)
	# every layer is the tar that its digest says
	tar xf com.tar
	for blob in blobs/sha256/*; do
		assert_equal "$(sha256sum "$blob" | cut -c 1-64)" "${blob##*/}"
	done
	tar tf "$(jq -r '.[0].Layers[1]' manifest.json)" >listing
	grep -qx 'bin/.wh.vi' listing
	grep -qx 'var/.wh..wh..opq' listing
	if command -v skopeo >/dev/null; then
		assert_equal "$(skopeo inspect docker-archive:com.tar | jq -c .Layers)" "$(skopeo inspect oci-archive:com.tar:1 | jq -c .Layers)"
	else
		id+=" "
	fi
	if start_docker; then
		docker load -q -i com.tar
		assert_equal "$(docker image inspect -f '{{.Id}} {{.RootFS.Layers}}' com:1)" "${id% }"
		docker save com:1 >docker.tar
		cloche rm -f box >/dev/null
		cloche rmi -f com:1 >/dev/null
		cloche load -q -i docker.tar
		assert_equal "$(id_of com:1)" "${id% }"
	else
		skip "dockerd does not start here"
	fi
	[ "$id" = "${id% }" ] || skip "skopeo is not installed"
}

@test "import makes a one-layer image of a tar, plain or compressed" {
	local id
	mkdir -p root/bin root/etc
	cp "$(command -v busybox)" root/bin/busybox
	echo root:x:0:0::/:/bin/sh >root/etc/passwd
	id=$(tar -C root -c . | cloche import -c 'CMD /bin/busybox echo $A' -c 'ENTRYPOINT ["/bin/busybox","sh","-c"]' -c 'ENV A=hello' -m words - imp:1)
	assert_equal "$(cloche image inspect imp:1 | jq -c '.[0] | [.Id, .Comment, .Os, .Config.Env, (.RootFS.Layers | length)]')" \
		"[\"$id\",\"words\",\"linux\",[\"A=hello\"],1]"
	assert_equal "$(cloche history --format '{{.Comment}}' imp:1)" words
	assert_equal "$(cloche run --rm --network none imp:1 'echo $A')" hello
	tar -C root -c . | gzip >root.tgz
	cloche image import root.tgz imp:2 >/dev/null
	assert_equal "$(cloche image inspect -f '{{.RootFS.Layers}} {{.Comment}}' imp:2)" "$(cloche image inspect -f '{{.RootFS.Layers}}' imp:1) Imported from -"
	cloche import --platform linux/arm64/v8 root.tgz arm >/dev/null
	assert_equal "$(cloche image inspect -f '{{.Os}}/{{.Architecture}}/{{.Variant}}' arm)" linux/arm64/v8
	run cloche import --platform plan9/386 root.tgz other
	assert_equal "$status $output" "1 Error response from daemon: operating system is not supported"
	cloche save imp:1 | tar xO manifest.json >/dev/null
	while IFS='|' read -r change expected; do
		run cloche import -c "$change" root.tgz bad:1
		assert_equal "$status $output" "1 Error response from daemon: $expected"
	done <<-END
		FOO x|foo is not a valid change command
		ENV a|ENV must have two arguments
		ENV|ENV requires at least one argument
		EXPOSE 80/foo|Invalid proto: foo
		EXPOSE a|Invalid containerPort: a
		USER|USER requires exactly one argument
		VOLUME|VOLUME requires at least one argument
		ONBUILD ONBUILD X|Chaining ONBUILD via \`ONBUILD ONBUILD\` isn't allowed
		ONBUILD FROM x|FROM isn't allowed as an ONBUILD trigger
		HEALTHCHECK x|Unknown type "X" in HEALTHCHECK (try CMD)
	END
	run cloche import /nosuch
	assert_equal "$output" "cloche: open /nosuch: no such file or directory"
	run cloche import http://x/y
	assert_status 1
	[[ $output == *"not supported yet"* ]]
	run cloche import root.tgz BAD
	assert_status 1
	assert_equal "$(cloche images -q bad)" ""
	head -c 5000 root.tgz >cut.tgz
	run cloche import cut.tgz cut:1
	assert_status 1
	assert_equal "$(cloche images -q cut)$(find "$CLOCHE_ROOT/overlay2" -name 'tmp-*')" ""
}
