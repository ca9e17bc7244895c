# tests of relay
