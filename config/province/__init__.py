"""A synthetic province of any size, for measuring: `manage.py make_province` (speed.md, "Pages").

Seeded and repeatable: the same scale and seed give the same tree, people, hours and queues. Realistic in shape (the
divisions of GB/T 2260, a few large units and many small ones, title series, entries that peak at the end of the year),
obviously synthetic in content (names of stems and branches, ID numbers of areas 379xxx, which do not exist, with
sequence 000, which is not assigned).
"""
