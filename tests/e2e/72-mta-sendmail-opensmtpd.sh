#!/bin/sh
# sendmail at the hub and opensmtpd at home, each as mochila-mta(7) says: a mail each way of which its
# sender is told, one that comes back, and the same by a pipe.
# shellcheck source=tests/e2e/lib.sh
. "${srcdir:-.}/tests/e2e/lib.sh"
# shellcheck source=tests/e2e/matrix-lib.sh
. "$top/tests/e2e/matrix-lib.sh"
matrix sendmail opensmtpd
finish
