"""The forwarding daemon of the load balancer: configuration, modules, datapath and the local sockets."""

__version__ = "0.1.0"
