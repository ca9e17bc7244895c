# bsmtp: see the folder's main header
