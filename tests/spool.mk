# tests of spool
