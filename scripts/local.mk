# scripts: the two commands (demo, check), and what they and the tests share.
EXTRA_DIST += %D%/check %D%/lib.sh %D%/peers
