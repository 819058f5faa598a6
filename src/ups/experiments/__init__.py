"""Named sets of runs, the paper's tables beside ours, and the quickstart."""
