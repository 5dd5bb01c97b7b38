"""Where a catalogue comes from: its addresses, and its files as they were downloaded."""
