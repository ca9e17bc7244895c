# tests: what holds the house to its own rules, on every make check.
dist_check_SCRIPTS += %D%/layers.sh %D%/lint-words.sh %D%/lint-shell.sh %D%/lint-man.sh \
	%D%/man-options.sh %D%/pictures.sh
EXTRA_DIST += %D%/layers.txt %D%/skips-allowed
