# relay: see the folder's main header
