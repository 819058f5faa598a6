"""From a video to joints, and back onto it: frames, pose estimators, drawing. Needs the extra `video`."""
