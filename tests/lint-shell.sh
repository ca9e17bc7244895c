#!/bin/sh
# Every script of ours is clean for shellcheck.
cd "${srcdir:-.}" || exit 1
command -v shellcheck >/dev/null || { echo "SKIP: shellcheck is not installed"; exit 77; }

scripts=$(find scripts tests autogen.sh .ci -path tests/out -prune -o -type f -print |
    while read -r file; do
	case $(head -n 1 "$file" 2>/dev/null | tr -d '\0') in
	'#!'*sh | '# shellcheck shell=sh'*) echo "$file" ;;
	esac
    done)
# shellcheck disable=SC2086	# one word a file
# SC2317: functions that are called by name later look unreachable to it.
shellcheck -x -e SC2317 -P . $scripts || exit 1
# What OpenRC and procd run reads its variables there, and has its functions called.
shellcheck -s sh -e SC1008,SC2034,SC2154,SC2317 scripts/packages/openrc/* scripts/packages/openwrt/files/*
