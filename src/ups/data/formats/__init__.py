"""File formats: each module reads one, and knows no data set."""
