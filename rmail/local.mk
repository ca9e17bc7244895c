# rmail: see the folder's main header
