"""`ups batch`: answers about any number of recordings, as Parquet. Needs the extra `[batch]`, on a cluster `[ray]` too."""
