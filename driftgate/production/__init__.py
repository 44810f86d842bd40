"""What serves: releases, the channels that point at them, experiments, and the prediction log."""
