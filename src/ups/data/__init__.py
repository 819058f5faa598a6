"""Recordings: one reader a public format, and the prepared store that training reads."""
