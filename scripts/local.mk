# scripts: see the folder's main header
