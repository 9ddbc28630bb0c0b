"""Pages of the approval engine, one file per group of pages."""
