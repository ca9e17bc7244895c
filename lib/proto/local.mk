# lib/proto: dialogues without I/O.
