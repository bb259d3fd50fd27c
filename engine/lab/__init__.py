"""The example network in namespaces of its own."""
