"""One file per module of the `modules` line; sans-io: frames and time in, frames and events out."""
