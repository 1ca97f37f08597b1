"""What all commands share of the terminal: console, errors, options, dates, signals."""
