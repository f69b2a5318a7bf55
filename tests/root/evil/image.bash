# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# tests/root/evil/image.bash - images and bundles as an enemy would make them.
#
#   evil_blob FILE TYPE               puts a file into the layout, prints its descriptor (JSON)
#   evil_image DIR ROOTFS [CONFIG]    an OCI image layout with one layer; CONFIG is the image's
#                                     "config" object (default {}): Entrypoint, User, Volumes, ...

# $layout is the layout's directory.
evil_blob() {
	local digest size
	digest=$(sha256sum "$1" | cut -d' ' -f1)
	size=$(stat -c %s "$1")
	mkdir -p "$layout/blobs/sha256"
	cp "$1" "$layout/blobs/sha256/$digest"
	jq -n --arg t "$2" --arg d "sha256:$digest" --argjson s "$size" '{mediaType: $t, digest: $d, size: $s}'
}

evil_image() {
	local layout=$1 rootfs=$2 config=${3-} work layer image manifest
	[ "$config" ] || config='{}'
	work=$(mktemp -d)
	mkdir -p "$layout"
	tar -C "$rootfs" --sort=name --numeric-owner -cf "$work/layer" .
	layer=$(evil_blob "$work/layer" application/vnd.oci.image.layer.v1.tar)
	jq -n --argjson c "$config" --arg l "$(jq -r .digest <<<"$layer")" --arg a "$(dpkg --print-architecture)" \
		'{architecture: $a, os: "linux", config: $c, rootfs: {type: "layers", diff_ids: [$l]}}' >"$work/config"
	image=$(evil_blob "$work/config" application/vnd.oci.image.config.v1+json)
	jq -n --argjson c "$image" --argjson l "$layer" \
		'{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config: $c, layers: [$l]}' >"$work/manifest"
	manifest=$(evil_blob "$work/manifest" application/vnd.oci.image.manifest.v1+json)
	jq -n --argjson m "$manifest" '{schemaVersion: 2, manifests: [$m + {annotations: {"org.opencontainers.image.ref.name": "latest"}}]}' >"$layout/index.json"
	echo '{"imageLayoutVersion": "1.0.0"}' >"$layout/oci-layout"
	rm -rf "$work"
}
