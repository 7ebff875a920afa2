"""What holds for all tests."""

import signal

# A shell starts background jobs with SIGINT ignored, and so would start whatever they start: tests press Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
