"""The manners of every HTTP client here: what is trusted, what is followed, what is never sent or logged.

Of LangSmith and Google it knows the published rates alone. Requests are made with a `Session` of this room.
"""
