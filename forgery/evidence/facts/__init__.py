"""Facts about the file: encoding, saves, metadata, embedded thumbnail. None of them is proof."""
