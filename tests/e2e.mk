# tests/e2e: the whole way, with real peers; lib.sh is what each of them begins with.
EXTRA_DIST += %D%/e2e/lib.sh
