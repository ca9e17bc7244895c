# tests of the relay's server
dist_check_SCRIPTS += %D%/e2e/60-tls.sh %D%/e2e/61-wishes.sh
EXTRA_DIST += %D%/e2e/60-tls.py
