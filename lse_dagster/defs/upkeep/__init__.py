"""What days need after their night: the look of the reconciliation, and the steps that make no asset.

What a day needs is decided in `calendar`, what is told of it in `alerts`.
"""
