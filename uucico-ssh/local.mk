# uucico-ssh: see the folder's main header
