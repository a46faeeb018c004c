"""What harness and emulator both stand on, and what needs neither: folders that are ours alone."""
