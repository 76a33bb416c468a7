"""The prediction log, which is kept only where it is asked for: a line of figures per image.

It has what a drift of the inputs or of the scores shows itself in. It has no picture, no file name
and no address. Parquet files lie in a folder per day, local or in S3.
"""
