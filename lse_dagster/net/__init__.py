"""The manners of every HTTP client here: what is trusted, what is followed, what is never sent or logged.

Knows neither LangSmith nor Google. Each room makes its requests with a `Session` of this one.
"""
