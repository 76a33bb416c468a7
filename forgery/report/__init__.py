"""What can be attached to a file: a PDF on one picture, a page on a scan of many."""
