"""What the engine has in this host's kernel: addresses and routes, compared with what is wanted and put right.

`state` says what is wanted, found and ours, and how they differ; `reliance` who would miss an address; `repairs` what is
told and what is contested. These decide and touch nothing. `netlink`, `netlink_notices`, `record`, `claims` and `presence`
ask and tell the kernel; `removal` takes addresses away by them; `host` puts all of them together.
"""
