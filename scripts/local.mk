# scripts: the two commands (demo, check), and what they and the tests have in common.
dist_examples_DATA += %D%/examples/home.conf %D%/examples/hub.conf %D%/examples/link-up \
	%D%/examples/mochila-relay.service %D%/examples/mochila-relay.socket \
	%D%/examples/fail2ban-filter.conf %D%/examples/fail2ban-jail.conf \
	%D%/dispatch
EXTRA_DIST += %D%/bench.sh %D%/bench-call %D%/bench-filter %D%/bench-pop %D%/bench-relay %D%/bench-spool %D%/bench-wire %D%/check %D%/demo %D%/lib.sh %D%/peers %D%/postfix.sh \
	%D%/train-dictionary
dist_examples_DATA += %D%/examples/mochila-call@.service %D%/examples/mochila-call@.timer %D%/examples/logrotate
EXTRA_DIST += %D%/package %D%/try.sh %D%/try-packages %D%/try-systemd %D%/try-fresh %D%/picture %D%/sizes %D%/musl %D%/completion.bash %D%/completion.zsh \
	%D%/packages/apparmor %D%/packages/openrc/mochila-relay \
	%D%/packages/openwrt/Makefile %D%/packages/openwrt/files/link-up %D%/packages/openwrt/files/mochila-relay.init \
	%D%/packages/debian/changelog %D%/packages/debian/control %D%/packages/debian/copyright %D%/packages/debian/rules \
	%D%/packages/debian/source/format %D%/packages/debian/tests/control %D%/packages/debian/po/POTFILES.in \
	%D%/packages/debian/mochila-mta.links %D%/packages/debian/mochila-uucp.links %D%/packages/debian/mochila.config \
	%D%/packages/debian/mochila.dirs %D%/packages/debian/mochila.install %D%/packages/debian/mochila.lintian-overrides \
	%D%/packages/debian/mochila.postinst %D%/packages/debian/mochila.postrm %D%/packages/debian/mochila.templates
