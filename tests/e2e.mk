# tests/e2e: the whole way, with real peers; lib.sh is what each of them begins with.
EXTRA_DIST += %D%/e2e/lib.sh
dist_check_SCRIPTS += %D%/e2e/80-install.sh %D%/e2e/90-demo.sh %D%/e2e/91-kill.sh
