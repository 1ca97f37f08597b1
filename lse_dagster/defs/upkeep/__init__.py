"""What days need after their night: the look of the reconciliation, and the steps that make no asset."""
