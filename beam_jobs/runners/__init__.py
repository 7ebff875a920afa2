"""Where the job runs: Beam's runners, and what a local run needs around Beam."""
