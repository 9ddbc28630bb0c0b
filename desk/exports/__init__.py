"""导出: a list as .xlsx or .csv, within the rights of who asks, masked unless there is a reason.

    sheets.py    what an exportable list says of itself: columns, rows for an actor, one row as cells
    lists.py     which there are
    asking.py    who may have what at once, what goes to the background, what is refused
    making.py    the job that writes a long one, with progress, and begins again when its worker was killed
    expiry.py    files are gone after seven days
    xlsx.py, csv.py    the two formats, both safe against formulas and flat in memory

What is not masked is made in memory while its person waits, and never stored: `export_stored_is_masked`.
"""
