"""The prepared store: its files, and how one is made, merged and exported."""
