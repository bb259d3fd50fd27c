"""The parts of the editor's screen, each with one duty; screens/editor.py puts them together."""
