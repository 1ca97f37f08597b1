"""What people are told through the webhook: found in Dagster's records, told once a cause, sent in order.

Nothing is decided about days here.
"""
