"""What the pages of hours ask for, one file per group of pages."""
