# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Images under the names that tutorials use, made of this host's own programs: no registry, no network.

# host_root DIR PROGRAM...: programs of this host, the libraries they load, and what a root needs besides.
host_root() {
	local dir=$1 program path lib
	shift
	mkdir -p "$dir"/usr/{bin,sbin,lib,lib64,share/misc} "$dir"/{etc,tmp,var/tmp,root,proc,sys,dev}
	chmod 1777 "$dir/tmp" "$dir/var/tmp"
	for path in bin sbin lib lib64; do ln -sfn "usr/$path" "$dir/$path"; done
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$dir/etc/passwd"
	printf 'root:x:0:\n' >"$dir/etc/group"
	for program; do
		path=$(readlink -f "$(type -P "$program")") || return 1
		cp -L "$path" "$dir/usr/bin/$program"
		while read -r lib; do
			mkdir -p "$dir${lib%/*}"
			[ -e "$dir$lib" ] || cp -L "$lib" "$dir$lib"
		done < <(ldd "$path" 2>/dev/null | grep -o '/[^ ]*' | sort -u)
	done
}

# The images of the tables: alpine (busybox), ubuntu (GNU programs), nginx (with an entrypoint and two
# layers), python.
make_seed_images() {
	local dir=$ENGINE_DIR/seed
	host_root "$dir/ubuntu" bash sh ls cat mkdir sleep ps grep dd seq touch findmnt capsh stress-ng ip sed true env id
	cp /etc/bash.bashrc /etc/os-release "$dir/ubuntu/etc/"
	tar -C "$dir/ubuntu" -cf - . | cloche import -c 'CMD ["/bin/bash"]' - ubuntu:22.04 >/dev/null
	cloche tag ubuntu:22.04 ubuntu:20.04
	cloche tag ubuntu:22.04 ubuntu:latest
	cloche run --rm cloche/busybox true
	cloche tag cloche/busybox alpine:latest
	cloche create --name make alpine sh >/dev/null
	mkdir "$dir/nginx"
	# shellcheck disable=SC2016 # for the shell in the container
	printf '#!/bin/sh\nexec "$@"\n' >"$dir/nginx/docker-entrypoint.sh"
	printf '#!/bin/sh\nhead -c 3000000 /dev/zero >/tmp/worker\nexec sleep 600\n' >"$dir/nginx/nginx"
	chmod 755 "$dir/nginx"/*
	cloche cp "$dir/nginx/docker-entrypoint.sh" make:/docker-entrypoint.sh 2>/dev/null
	cloche cp "$dir/nginx/nginx" make:/bin/nginx 2>/dev/null
	cloche commit -c 'ENTRYPOINT ["/docker-entrypoint.sh"]' -c 'CMD ["nginx", "-g", "daemon off;"]' make nginx:alpine >/dev/null
	cloche rm make >/dev/null
	cloche tag nginx:alpine nginx:latest
	cloche tag alpine:latest python:3.11-slim
	rm -rf "$dir"
}
