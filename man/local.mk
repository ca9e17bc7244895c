# man: see the folder's main header
