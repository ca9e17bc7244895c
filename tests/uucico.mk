# tests of uucico
