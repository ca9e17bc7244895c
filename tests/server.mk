# tests of the relay's server
dist_check_SCRIPTS += %D%/e2e/60-tls.sh
EXTRA_DIST += %D%/e2e/60-tls.py
