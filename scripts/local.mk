# scripts: the two commands (demo, check), and what they and the tests have in common.
dist_examples_DATA += %D%/examples/home.conf %D%/examples/hub.conf %D%/examples/link-up \
	%D%/examples/mochila-relay.service %D%/examples/mochila-relay.socket \
	%D%/examples/fail2ban-filter.conf %D%/examples/fail2ban-jail.conf \
	%D%/dispatch
EXTRA_DIST += %D%/bench.sh %D%/bench-call %D%/bench-relay %D%/bench-spool %D%/bench-wire %D%/check %D%/demo %D%/lib.sh %D%/peers %D%/postfix.sh \
	%D%/train-dictionary
