# tests of rmail
