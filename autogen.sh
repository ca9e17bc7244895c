#!/bin/sh
# Makes configure and Makefile.in from configure.ac and the local.mk files.
cd "$(dirname "$0")" || exit 1
for tool in autoconf automake aclocal; do
	command -v "$tool" >/dev/null || {
		echo "autogen.sh: $tool is missing; try: apt-get install autoconf automake pkg-config" >&2
		exit 1
	}
done
mkdir -p build-aux
exec autoreconf --install --force
