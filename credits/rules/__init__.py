"""Policy packs: what an activity is worth and what a year asks for, as data in files, reckoned in exact decimals.

No database, no settings, no Django: text in, numbers and readable sentences out. Where to find what:
packs/*.toml the rules themselves, packs/README.md how to write one; pack.py reads a file, inheritance.py lays one over
another; reckon.py values one activity (one file for each kind of rule); required.py measures a year.
"""
