#!/usr/bin/env bash
# Builds the Dockerfile with no registry and no daemon:   image.sh ARCHIVE [NAME]
# ARCHIVE becomes a docker-archive of the image NAME. Instead of the two base images stands what this machine has: Node's binary from
# the package `node`, npm, a shell, and the shared libraries that they load. Needs root, buildah, npm, and `npm ci` done.
set -euo pipefail
cd "$(dirname "$0")/../.."
archive=$(realpath -m "${1:?where to write the image}"); name=${2:-localhost/tokensync:test}
work=$(mktemp -d)
export STORAGE_DRIVER=vfs
image() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }
trap '[ -d "$work/storage" ] && image rm --all >/dev/null 2>&1; rm -rf "$work"' EXIT

# files, each at its own path, with the libraries it loads
take() {
	local root=$1 file; shift
	for file in "$@"; do
		install -D "$file" "$root$file"
		{ ldd "$file" 2>/dev/null || true; } | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "$root$library"; done
	done
}
base() { # NAME ROOT [config…]: an image of one layer
	local name=$1 root=$2 container; shift 2
	container=$(image from scratch)
	image copy -q "$container" "$root" / >/dev/null
	[ $# = 0 ] || image config "$@" "$container"
	image commit -q --rm "$container" "$name" >/dev/null
}

runtime="$work/runtime"; mkdir -p "$runtime"/{etc,nodejs/bin,home/nonroot,tmp}; chmod 1777 "$runtime/tmp"
node=$(node -p process.execPath); [ -x node_modules/node/bin/node ] && node=$PWD/node_modules/node/bin/node
take "$work/libraries" "$node"; rm "$work/libraries$node"
cp -a "$work/libraries/." "$runtime"; cp "$node" "$runtime/nodejs/bin/node"
echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' > "$runtime/etc/passwd"
echo 'nonroot:x:65532:' > "$runtime/etc/group"

build="$work/build"; mkdir -p "$build"/{bin,etc,root,tmp,usr/local/bin,usr/local/lib/node_modules}
cp -a "$work/libraries/." "$build"; cp "$node" "$build/usr/local/bin/node"
cp -a "$(dirname "$(dirname "$(realpath "$(command -v npm)")")")" "$build/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$build/usr/local/bin/npm"
take "$build" "$(realpath /bin/sh)" /usr/bin/env; [ -e "$build/bin/sh" ] || ln -s "$(realpath /bin/sh)" "$build/bin/sh"
echo 'root:x:0:0:root:/root:/bin/sh' > "$build/etc/passwd"
# whom this machine trusts and which registry it asks, npm there must too
[ -f /etc/ssl/certs/ca-certificates.crt ] && install -D /etc/ssl/certs/ca-certificates.crt "$build/etc/ssl/certs/ca-certificates.crt"

base localhost/build:1 "$build" --env PATH=/usr/local/bin:/usr/bin:/bin --env HOME=/root \
	--env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt --env npm_config_registry="$(npm config get registry 2>/dev/null)"
base localhost/runtime:1 "$runtime"
cache=$(npm config get cache 2>/dev/null); mkdir -p "$cache"
image bud -q --isolation=chroot --pull-never --volume "$cache:/root/.npm" -t "$name" \
	--build-arg BUILD_IMAGE=localhost/build:1 --build-arg RUNTIME_IMAGE=localhost/runtime:1 \
	--build-arg VERSION="$(node -p 'require("./package.json").version')" --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || echo unknown)" . >&2
rm -f "$archive"
image push -q "$name" "docker-archive:$archive:$name" >&2
echo "$archive: $name, $(($(stat -c %s "$archive") / 1000000)) MB, of which Node is $(($(stat -c %s "$node") / 1000000)) MB" >&2
