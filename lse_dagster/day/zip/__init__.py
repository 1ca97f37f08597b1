"""The day zip: its bytes, making and reading it, and where it lies. What may replace it: `steps`."""
