"""What is wrong with recordings, in plain words."""
