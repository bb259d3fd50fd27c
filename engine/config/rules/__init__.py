"""What is wrong in a configuration that reads well."""
