# man: mdoc, one page a program and a file format; compared with the programs by tests.
dist_man_MANS += %D%/mochila.1 %D%/mochila.conf.5 %D%/mochila-relay.8 %D%/spool.5 %D%/mochila.7
dist_man_MANS += %D%/batch.5 %D%/bsmtp.1 %D%/mochila-drop.8 %D%/rrecipients.8 %D%/mochila-sendmail.8 %D%/rmail.8
dist_man_MANS += %D%/mochila-m.7
dist_man_MANS += %D%/uucico-ssh.8 %D%/uucp.8 %D%/uux.8 %D%/uuxqt.8
dist_man_MANS += %D%/mochila-mta.7 %D%/mochila-guide.7
dist_man_MANS += %D%/mochila-filter.8 %D%/mochila-small.8
dist_man_MANS += %D%/mochila-login.8 %D%/mochila-users.5 %D%/mochila-check.8 %D%/mochila-settle.8

# Pictures for the guide, drawn in characters; scripts/picture makes SVG of them.
nodist_doc_DATA = %D%/pictures/call.svg %D%/pictures/two-hosts.svg %D%/pictures/way.svg
EXTRA_DIST += %D%/pictures/call.txt %D%/pictures/two-hosts.txt %D%/pictures/way.txt
CLEANFILES += $(nodist_doc_DATA)
$(nodist_doc_DATA): scripts/picture
SUFFIXES = .txt .svg
.txt.svg:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sh $(srcdir)/scripts/picture $< >$@.new && mv $@.new $@
