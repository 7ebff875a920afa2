"""Where the job runs: Beam runners, and what a local run needs around Beam."""
