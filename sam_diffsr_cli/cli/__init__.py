"""The terminal: commands, options, progress and error messages. Nothing below prints."""
