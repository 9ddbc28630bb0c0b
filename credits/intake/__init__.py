"""Hours that learning platforms report (F-106 … F-108): spreadsheets, and what both ways of reporting have in common.

    reading.py     a file as rows of cells, whatever somebody put into it; flat in memory
    apart.py       the same in a process of its own, with so much memory and no more
    columns.py     what one row must say: each value as typed, or one sentence
    judging.py     what the database knows against it: the same event with other content, another name …
    checking.py    the job that checks a spreadsheet without entering anything
    committing.py  the job that enters a checked one as a whole
    attaching.py   people who register find what was reported before
    asking.py      upload, confirm, cancel: who may, and what is queued
    template.py    the empty spreadsheet with its explanations

credits/posting.py enters records; credits/api is the other way to report.
"""
