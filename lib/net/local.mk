# lib/net: waiting and moving bytes; knows no mail.
