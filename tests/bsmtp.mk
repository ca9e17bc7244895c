# tests of bsmtp
