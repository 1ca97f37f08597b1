"""Reading runs of the sandbox's LangSmith: filters, pages, both API generations, statistics."""
