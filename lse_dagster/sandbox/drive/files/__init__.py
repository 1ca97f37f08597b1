"""Files and folders of the sandbox's Drive: making, changing, listing and reading them."""
