# tests of rmail/
