# SPDX-License-Identifier: GPL-2.0
# patches/ and the commits they stand for. Sourced by tree, patches, upstream
# and check-patches.
#
# A commit is made from a patch, and a patch from a commit, without a work tree
# and without the user's git configuration: an import gives the same hash on
# every machine, an export the same bytes, and neither touches a file of
# build/tree that does not change (make would compile it again).
#
# patches/series has a line a patch: its name, then globs of the new files that
# it introduces when the whole is mailed (see harness/upstream).
# shellcheck shell=bash disable=SC2034

export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_COMMITTER_NAME=base GIT_COMMITTER_EMAIL=base@localhost
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
PATCHES=$ROOT/patches

tgit()
{
	git -C "$TREE" "$@"
}

# The names of a series file, in order.
series_names()
{
	[ ! -f "$1/series" ] || sed 's/[[:space:]]*#.*//; /^$/d; s/[[:space:]].*//' "$1/series"
}

# The new files that patch $1 introduces, out of those on standard input.
series_new_files()
{
	local globs f g

	read -ra globs < <(sed 's/[[:space:]]*#.*//' "$PATCHES/series" |
		awk -v p="$1" '$1 == p { $1 = ""; print }') || true
	while read -r f; do
		for g in "${globs[@]}"; do
			# shellcheck disable=SC2053 # a glob is meant
			[[ $f != $g ]] || { echo "$f"; break; }
		done
	done
}

# patches_hash DIR: of everything an import reads.
patches_hash()
{
	local p

	for p in $(series_names "$1"); do
		sha256sum <"$1/$p"
	done | sha256sum | cut -d' ' -f1
}

# import_patch PARENT FILE: what `git am` makes of it, with the new files that
# standard input lists added; prints the commit. GIT_INDEX_FILE holds PARENT's
# tree. No fuzz: git apply knows none.
import_patch()
{
	local info=$GIT_INDEX_FILE.info msg=$GIT_INDEX_FILE.msg diff=$GIT_INDEX_FILE.diff
	local date f mode

	git mailinfo "$msg" "$diff" <"$2" >"$info" || die "${2##*/} is no patch"
	tgit apply --cached --whitespace=nowarn "$diff" 2>"$info.err" ||
		die "patch ${2##*/} does not apply to Linux $(tgit show base:Makefile | kernel_version): $(head -1 "$info.err")"
	while read -r f; do
		mode=100644
		[ ! -x "$ROOT/$f" ] || mode=100755
		printf '%s %s\t%s\n' $mode "$(tgit hash-object -w "$ROOT/$f")" "$f"
	done | tgit update-index --index-info
	date=$(sed -n 's/^Date: //p' "$info")
	{ sed -n 's/^Subject: //p' "$info"; echo; cat "$msg"; } | git stripspace |
		GIT_AUTHOR_NAME=$(sed -n 's/^Author: //p' "$info") \
		GIT_AUTHOR_EMAIL=$(sed -n 's/^Email: //p' "$info") \
		GIT_AUTHOR_DATE=$date GIT_COMMITTER_DATE=$date \
		tgit commit-tree "$(tgit write-tree)" -p "$1"
}

# import_series DIR [FILES]: the whole series on top of base; prints the last
# commit. With the list FILES, each patch brings the new files that it introduces.
import_series()
{
	local tmp head p

	tmp=$(mktemp -d)
	export GIT_INDEX_FILE=$tmp/index
	head=$(tgit rev-parse base^0)
	tgit read-tree base
	for p in $(series_names "$1"); do
		[ -f "$1/$p" ] || die "patches/series names $p, which does not exist"
		: >"$tmp/new"
		[ $# = 1 ] || series_new_files "$p" <"$2" >"$tmp/new"
		head=$(import_patch "$head" "$1/$p" <"$tmp/new")
	done
	if [ $# = 2 ]; then
		p=$(comm -23 "$2" <(tgit ls-files | sort) | sed -n 1p)
		[ -z "$p" ] || die "no line of patches/series introduces $p"
	fi
	unset GIT_INDEX_FILE
	rm -r "$tmp"
	echo "$head"
}

# export_series COMMIT DIR: one file a commit, named by its topic, and series.
export_series()
{
	local f name

	tgit format-patch -q -N --zero-commit --full-index --no-signature \
		--no-renames --no-base --no-thread --no-cover-letter \
		--diff-algorithm=myers --stat=72 --subject-prefix=PATCH \
		-o "$2" "base..$1"
	for f in "$2"/[0-9][0-9][0-9][0-9]-*.patch; do
		[ -e "$f" ] || continue
		name=${f##*/}
		name=${name#*-}
		name=${name,,}
		[ ! -e "$2/$name" ] || die "two commits have the subject of $name"
		mv "$f" "$2/$name"
		echo "$name"
	done >"$2/series"
}

# What patches_hash() was when build/tree last agreed with patches/.
applied_hash()
{
	cat "$TREE/.git/memfile-patches" 2>/dev/null || patches_hash /nonexistent
}

# The version that a kernel Makefile on standard input states.
kernel_version()
{
	awk '$2 == "=" && /^(VERSION|PATCHLEVEL|SUBLEVEL) / { v = v s $3; s = "." }
	     END { print v }'
}

# link_new_files DIR: every new file of the checkout, at its path in DIR, and
# nothing else: a link whose file is gone goes, too. Links of single files: in a
# linked directory the compiler would resolve "../internal.h" in the checkout.
link_new_files()
{
	local dir=$1 list f d to

	list=$(git -C "$dir" rev-parse --git-path memfile-links)
	[[ $list = /* ]] || list=$dir/$list
	touch "$list"
	new_files >"$list.new"
	comm -12 "$list.new" <(git -C "$dir" ls-files | sort) >"$list.both"
	[ ! -s "$list.both" ] ||
		die "$(head -1 "$list.both") is a new file here, and exists in the tree: edits of it belong into patches/"
	comm -23 "$list" "$list.new" | while read -r f; do
		[ ! -L "$dir/$f" ] || rm "$dir/$f"
		rmdir -p --ignore-fail-on-non-empty "$dir/$(dirname "$f")" 2>/dev/null || true
	done
	while read -r f; do
		d=$dir/$(dirname "$f")
		mkdir -p "$d"
		to=$(realpath -s --relative-to="$d" "$ROOT/$f")
		[ "$(readlink "$dir/$f")" = "$to" ] || ln -sfn "$to" "$dir/$f"
	done <"$list.new"
	mv "$list.new" "$list"
	rm "$list.both"
	sed 's,^,/,' "$list" >"$(git -C "$dir" rev-parse --path-format=absolute --git-path info/exclude)"
}
