# tests/e2e: the whole way, with real peers; lib.sh is what each of them begins with.
EXTRA_DIST += %D%/e2e/lib.sh %D%/e2e/secrets.py
dist_check_SCRIPTS += %D%/e2e/80-install.sh %D%/e2e/81-help.sh %D%/e2e/82-inits.sh %D%/e2e/83-verbose.sh %D%/e2e/84-small.sh %D%/e2e/86-musl.sh %D%/e2e/90-demo.sh %D%/e2e/91-kill.sh
EXTRA_DIST += %D%/e2e/guide-lib.sh %D%/e2e/matrix-lib.sh
dist_check_SCRIPTS += %D%/e2e/70-mta-postfix-exim.sh %D%/e2e/71-mta-exim-postfix.sh %D%/e2e/72-mta-sendmail-opensmtpd.sh \
	%D%/e2e/73-mta-opensmtpd-sendmail.sh %D%/e2e/74-mta-postfix-dovecot.sh %D%/e2e/75-guide.sh %D%/e2e/76-examples.sh
