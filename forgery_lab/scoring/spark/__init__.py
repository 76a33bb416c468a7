"""A job on a Spark cluster; needs the optional extra `spark`."""
