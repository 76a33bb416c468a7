"""A Spark cluster that works for this project; needs the optional extra `spark`."""
