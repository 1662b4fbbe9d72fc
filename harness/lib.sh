# SPDX-License-Identifier: GPL-2.0
# What the scripts of harness/ share. Sourced, not run.
# shellcheck shell=bash disable=SC2034

set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C
umask 022

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
BUILD=${BUILD:-$ROOT/build}
mkdir -p "$BUILD"
BUILD=$(cd "$BUILD" && pwd -P)
TREE=$BUILD/tree
RESULTS=$BUILD/results
JOBS=${JOBS:-$(nproc)}
. "$ROOT/BASE"

# Where new files live; each is linked to the same path in the tree.
NEW_DIRS=(Documentation arch fs include kernel lib mm tools virt)

# One line, and out: what failed, and what to do where that is not plain.
die()
{
	echo "error: $*" >&2
	exit 1
}

warn()
{
	echo "warning: $*" >&2
}

# Progress, with the time since the make began.
note()
{
	local t=$(($(date +%s) - ${MEMFILE_T0:-$(date +%s)}))

	printf '[%3d:%02d] %s\n' $((t / 60)) $((t % 60)) "$*"
}

# Two makes at once must not write one directory. The lock goes when the script
# and what it started have ended.
lock()
{
	exec 9>"$BUILD/.lock-${1//\//-}"
	flock -n 9 || {
		note "waiting for another make in $BUILD ($1)"
		flock 9
	}
}

# need_space GB: say so now, not when a compiler is half way.
need_space()
{
	local free

	free=$(df -Pk "$BUILD" | awk 'NR == 2 { print int($4 / 1048576) }')
	[ "$free" -ge "$1" ] ||
		die "$BUILD has $free GB free, $1 GB are needed"
}

# Compile through ccache where it is installed. Objects of another checkout, or
# of another step of the series, are then taken from the cache: paths below
# BUILD are hashed as relative ones, and nothing of the machine or the moment
# goes into a kernel.
kernel_env()
{
	if [ -d /usr/lib/ccache ]; then
		export PATH=/usr/lib/ccache:$PATH
		export CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1
		export CCACHE_SLOPPINESS=time_macros,include_file_mtime
	fi
	export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026'
	export KBUILD_BUILD_USER=memfile KBUILD_BUILD_HOST=localhost
	export KBUILD_BUILD_VERSION=1 LOCALVERSION=
	# The caller's make must not reach into the kernel's.
	unset MAKEFLAGS MAKELEVEL MFLAGS ARCH CROSS_COMPILE KBUILD_OUTPUT O
}

# The new files of this checkout: tracked or not, but not ignored.
new_files()
{
	git -C "$ROOT" ls-files -co --exclude-standard -- "${NEW_DIRS[@]}" |
		sort -u | while read -r f; do
			[ ! -f "$ROOT/$f" ] || echo "$f"
		done
}

# splats NAME DIR: whether DIR/console.log shows what it must not, see harness/splats.
splats()
{
	sed '/^#/d; /^$/d' "$ROOT/harness/splats" |
		grep -anE -m5 -f - "$2/console.log" >"$2/splats" || return
	echo "$1: on the console:"
	sed 's/^/	/; s/\r$//' "$2/splats"
}
