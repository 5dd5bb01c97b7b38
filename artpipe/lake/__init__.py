"""Where everything is kept: paths, Parquet and Lance tables, their versions, the lock; a folder or an object store."""
