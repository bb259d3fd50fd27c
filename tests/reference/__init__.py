"""What becomes of a frame, said a second time: slowly, readably, and without the datapath's code."""
