"""Pages of hours, one file per group of pages."""
