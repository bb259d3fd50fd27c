"""The local sockets: typed messages, server and client."""
