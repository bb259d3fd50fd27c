"""What others see: state, events, rates, explanations, and the answers to what consoles ask."""
