#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The containerd and docker suites of thole-shim with the clients of a newer Debian suite, in a tree
# below build/ (made once, about two minutes). TAP on stdout.
cd "$(dirname "$0")/../.." || exit 1
n=0
packages=containerd,docker.io,docker-cli,runc,containernetworking-plugins,umoci,skopeo,busybox-static,python3-grpcio,jq
packages=$packages,iproute2,procps,catatonit,util-linux,mount,iptables,libmnl0,libseccomp2,libcap2,libyajl2,libprotobuf-c1
reason=$(tests/lib/newer make newer-clients sid $packages) || {
	printf 'ok 1 newer clients # skip %s\n1..1\n' "$reason"
	exit 0
}
# Copies below this directory, which the tree has at its place.
mkdir -p build/newer-bin
cp "$(realpath -e "${THOLE:-bin/thole}")" build/newer-bin/thole
cp "$(realpath -e "${SHIM:-bin/thole-shim}")" build/newer-bin/thole-shim
# suite LABEL SCRIPT
suite() {
	local line
	while IFS= read -r line; do
		case $line in
		'ok '* | 'not ok '*)
			n=$((n + 1))
			[[ $line =~ ^(not )?ok\ [0-9]+\ (.*)$ ]]
			line="${BASH_REMATCH[1]}ok $n $1 ${BASH_REMATCH[2]}"
			;;
		1..*) continue ;;
		esac
		printf '%s\n' "$line"
	done < <(THOLE=build/newer-bin/thole SHIM=build/newer-bin/thole-shim CLIENTS_SECONDS=400 \
		tests/lib/newer run newer-clients bash "$2")
}
suite "$(chroot build/newer-clients containerd --version | cut -d ' ' -f 3)" tests/integration/shim_containerd.sh
export DOCKER_SHIM=type
suite "docker $(chroot build/newer-clients docker --version | cut -d ' ' -f 3 | tr -d ,)" tests/integration/docker.sh
echo "1..$n"
