"""What tests of several rooms share: projects of the sandbox, clocks, servers that are not ours."""
