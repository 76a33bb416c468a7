"""Speed, always as a ratio to something that was run in the same minute: machines are shared."""
