"""Ways to show progress: a live bar in a terminal, one that updates itself in a notebook, plain lines in a pipe."""
